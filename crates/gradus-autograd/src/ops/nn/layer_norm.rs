//! Layer normalisation. Letters: R rows, D elements of a row.

use gradus_linalg::Float;
use gradus_linalg::norm::{self, Affine};
use gradus_tensor::{Result, Shape, Tensor};

use crate::ops::support::affine::{Params, affine_of, require_params};
use crate::ops::support::compose::by_composition;
use crate::ops::support::normalized::{draw_rows, row_shape, rows_reference};
use crate::ops::support::with_float;
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Inputs: x, and weight and bias as `params` says. Statistics 0 and 1: mean and inverse standard deviation of each row.
#[derive(Clone, Copy, Debug)]
struct LayerNorm {
    /// How many of the last dims make a row.
    dims: usize,
    eps: f64,
    params: Params,
}

impl LayerNorm {
    /// R and D.
    fn sizes(&self, x: &Shape) -> [usize; 2] {
        let (rows, row) = x.dims().split_at(x.rank() - self.dims);
        [rows.iter().product(), row.iter().product()]
    }
}

/// The elements of a parameter that may be absent.
fn slice<T: Float>(param: &Option<Tensor>) -> Result<Option<&[T]>> {
    param.as_ref().map(|p| p.as_slice::<T>()).transpose()
}

fn forward<T: Float>(op: &LayerNorm, inputs: &[&Tensor], stats: &mut Stats) -> Result<Tensor> {
    let x = inputs[0].contiguous()?;
    let (from, [rows, row_len]) = (x.as_slice::<T>()?, op.sizes(x.shape()));
    let (weight, bias) = affine_of(inputs, op.params)?;
    let (mut mean, mut rstd) = (
        Tensor::zeros([rows], T::DTYPE)?,
        Tensor::zeros([rows], T::DTYPE)?,
    );
    let y = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if !dst.is_empty() {
            let affine = Affine {
                weight: slice(&weight)?,
                bias: slice(&bias)?,
            };
            norm::layer_norm(
                dst,
                mean.make_mut::<T>()?,
                rstd.make_mut::<T>()?,
                from,
                affine,
                op.eps,
                row_len,
            );
        }
        Ok(())
    })?;
    stats.push(mean);
    stats.push(rstd);
    Ok(y)
}

fn backward<T: Float>(op: &LayerNorm, ctx: &Backward<'_>, grad: &Var) -> Result<Vec<Option<Var>>> {
    let (x, grad) = (
        ctx.input(0)?.tensor().contiguous()?,
        grad.tensor().contiguous()?,
    );
    let weight = if op.params.weight {
        Some(ctx.input(1)?.tensor().contiguous()?)
    } else {
        None
    };
    let row = Shape::new(&x.dims()[x.rank() - op.dims..])?;
    let (mut grad_weight, mut grad_bias) =
        (Tensor::zeros(row, T::DTYPE)?, Tensor::zeros(row, T::DTYPE)?);
    let grad_x = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if dst.is_empty() {
            return Ok(());
        }
        norm::layer_norm_backward(
            dst,
            grad_weight.make_mut::<T>()?,
            grad_bias.make_mut::<T>()?,
            grad.as_slice::<T>()?,
            x.as_slice::<T>()?,
            ctx.stat(0)?.as_slice::<T>()?,
            ctx.stat(1)?.as_slice::<T>()?,
            slice(&weight)?,
        );
        Ok(())
    })?;
    Ok(op.params.pick(ctx, [grad_x, grad_weight, grad_bias]))
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => Ok(forward::<T>(self, inputs, stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        if !ctx.create_graph() {
            return with_float!(grad.dtype(), self.name(), T => backward::<T>(self, ctx, &grad));
        }
        let inputs = (0..ctx.input_count())
            .map(|i| ctx.input(i))
            .collect::<Result<Vec<_>>>()?;
        by_composition(ctx, &grad, &inputs, |v| {
            let rank = v[0].rank();
            let dims: Vec<isize> = (rank - self.dims..rank).map(|d| d as isize).collect();
            let centred = v[0].sub(&v[0].mean(&dims, true)?)?;
            let scale = centred
                .square()?
                .mean(&dims, true)?
                .add_scalar(self.eps)?
                .rsqrt()?;
            let mut y = centred.mul(&scale)?;
            if self.params.weight {
                y = y.mul(&v[1])?;
            }
            if self.params.bias {
                y.add(&v[v.len() - 1])
            } else {
                Ok(y)
            }
        })
    }
}

impl Var {
    /// Layer normalisation: `(self - mean) / √(var + eps) · weight + bias`, with mean and biased variance of each row.
    ///
    /// # Shapes
    /// `normalized_shape` holds the last dims of `self`, which make a row; `weight` and `bias` have this shape, and are 1 and
    /// 0 if absent. The result has the shape of `self`.
    ///
    /// # Numerics
    /// Moments in f64 around each row's first value, so that a large mean does not hide the variance. f32 or f64, all alike.
    /// PyTorch's default `eps` is 1e-5.
    ///
    /// # Gradient
    /// With `h = g · weight`: `(h - mean(h) - x̂ · mean(h · x̂)) / √(var + eps)` for the input, `Σ g · x̂` and `Σ g` over the rows
    /// for weight and bias. Saves the inputs and two numbers a row.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if `self` does not end with `normalized_shape`, or weight or bias have another; [`crate::Error::Rank`]
    /// if it is empty; [`crate::Error::Argument`] if `eps` is negative; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 3.0, 10.0, 14.0], [2, 2])?);
    /// let y = x.layer_norm(&[2], None, None, 0.0)?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.layer_norm`. Ba et al. 2016, arXiv:1607.06450.
    pub fn layer_norm(
        &self,
        normalized_shape: &[usize],
        weight: Option<&Self>,
        bias: Option<&Self>,
        eps: f64,
    ) -> Result<Self> {
        let op = "layer_norm";
        let row = row_shape(op, self, normalized_shape, eps)?;
        let given: Vec<&Tensor> = [weight, bias]
            .into_iter()
            .flatten()
            .map(Self::tensor)
            .collect();
        require_params(op, self.tensor(), &row, &given)?;
        let norm = LayerNorm {
            dims: row.rank(),
            eps,
            params: Params::of(weight, bias),
        };
        let inputs: Vec<&Self> = [Some(self), weight, bias].into_iter().flatten().collect();
        apply(norm, &inputs)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("layer_norm", |a| {
        let (x, row) = (a.var("x")?, a.sizes("normalized_shape")?);
        let (weight, bias) = (a.opt_var("weight"), a.opt_var("bias"));
        Ok(one(x.layer_norm(&row, weight, bias, a.float("eps")?)?))
    })
    .input("x", Kind::Float)
    .optional("weight", Kind::Float)
    .optional("bias", Kind::Float)
    .required("normalized_shape", AttrType::Ints)
    .attr("eps", AttrType::Float, 1e-5)
    .reference(|a| {
        let eps = a.float("eps")?;
        rows_reference(a, |row| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let var = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
            row.iter()
                .map(|x| (x - mean) / (var + eps).sqrt())
                .collect()
        })
    })
    .draw(|d| draw_rows(d, true))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    const EPS: f64 = 1e-5;

    #[test]
    fn museum_52_a_large_mean_does_not_hide_the_variance() {
        let noise = sampled(&[5, 4], 1).to_vec::<f64>().unwrap();
        let far: Vec<f32> = noise.iter().map(|x| (x + 2000.0) as f32).collect();
        let near: Vec<f64> = far.iter().map(|&x| f64::from(x) - 2000.0).collect();
        let norm = |x: Var| values(&x.layer_norm(&x.dims()[1..], None, None, EPS).unwrap());
        let (got, want) = (norm(constant(&far, [5, 4])), norm(constant(&near, [5, 4])));
        gradus_testing::check_close("norm of far values", &got, &want, 1e-3, 1e-3);
        assert!(
            norm(constant(&[1e30_f32, -1e30], [1, 2]))
                .iter()
                .all(|x| x.is_finite())
        );
    }

    #[test]
    fn rejects_shapes_that_do_not_fit() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        let norm = |row: &[usize], weight: Option<&Var>, eps| {
            x(&[2, 3]).layer_norm(row, weight, None, eps)
        };
        assert!(matches!(
            norm(&[2], None, EPS),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            norm(&[4, 2, 3], None, EPS),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(norm(&[], None, EPS), Err(Error::Rank { .. })));
        assert!(matches!(
            norm(&[3], Some(&x(&[2])), EPS),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            norm(&[3], None, -1.0),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(
            norm(&[3], Some(&constant(&[1.0_f32; 3], 3)), EPS),
            Err(Error::DTypeMismatch { .. })
        ));
        assert!(matches!(
            integers().layer_norm(&[2], None, None, EPS),
            Err(Error::DType { .. })
        ));
    }
}
