//! Root mean square normalisation. Letters: R rows, D elements of a row.

use gradus_linalg::{Float, norm};
use gradus_tensor::{DType, Result, Shape, Tensor};

use crate::ops::support::affine::{Params, affine_of, require_params};
use crate::ops::support::compose::by_composition;
use crate::ops::support::normalized::{draw_rows, row_shape, rows_reference};
use crate::ops::support::with_float;
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

const NAME: &str = "rms_norm";

/// Inputs: x, and maybe weight. Statistic 0: `1 / √(mean(x²) + eps)` of each row.
#[derive(Clone, Copy, Debug)]
struct RmsNorm {
    /// How many of the last dims make a row.
    dims: usize,
    eps: f64,
    weight: bool,
}

impl RmsNorm {
    fn params(&self) -> Params {
        Params {
            weight: self.weight,
            bias: false,
        }
    }
}

fn forward<T: Float>(op: &RmsNorm, inputs: &[&Tensor], stats: &mut Stats) -> Result<Tensor> {
    let x = inputs[0].contiguous()?;
    let (rows, row) = x.dims().split_at(x.rank() - op.dims);
    let (rows, row_len): (usize, usize) = (rows.iter().product(), row.iter().product());
    let (weight, _) = affine_of(inputs, op.params())?;
    let weight = weight.as_ref().map(Tensor::as_slice::<T>).transpose()?;
    let mut rstd = Tensor::zeros([rows], T::DTYPE)?;
    let from = x.as_slice::<T>()?;
    let y = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if !dst.is_empty() {
            norm::rms_norm(dst, rstd.make_mut::<T>()?, from, weight, op.eps, row_len);
        }
        Ok(())
    })?;
    stats.push(rstd);
    Ok(y)
}

fn backward<T: Float>(op: &RmsNorm, ctx: &Backward<'_>, grad: &Var) -> Result<Vec<Option<Var>>> {
    let x = ctx.input(0)?.tensor().contiguous()?;
    let grad = grad.tensor().contiguous()?;
    let weight = if op.weight {
        Some(ctx.input(1)?.tensor().contiguous()?)
    } else {
        None
    };
    let weight = weight.as_ref().map(Tensor::as_slice::<T>).transpose()?;
    let row = Shape::new(&x.dims()[x.rank() - op.dims..])?;
    let mut grad_weight = Tensor::zeros(row, T::DTYPE)?;
    let grad_x = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if !dst.is_empty() {
            let to = grad_weight.make_mut::<T>()?;
            let (grad, x) = (grad.as_slice::<T>()?, x.as_slice::<T>()?);
            norm::rms_norm_backward(dst, to, grad, x, ctx.stat(0)?.as_slice::<T>()?, weight);
        }
        Ok(())
    })?;
    let no_bias = grad_weight.clone();
    Ok(op.params().pick(ctx, [grad_x, grad_weight, no_bias]))
}

impl Op for RmsNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), NAME, T => Ok(forward::<T>(self, inputs, stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        if !ctx.create_graph() {
            return with_float!(grad.dtype(), NAME, T => backward::<T>(self, ctx, &grad));
        }
        let inputs = (0..ctx.input_count())
            .map(|i| ctx.input(i))
            .collect::<Result<Vec<_>>>()?;
        by_composition(ctx, &grad, &inputs, |v| {
            let rank = v[0].rank();
            let dims: Vec<isize> = (rank - self.dims..rank).map(|d| d as isize).collect();
            let mean = v[0].square()?.mean(&dims, true)?;
            let y = v[0].mul(&mean.add_scalar(self.eps)?.rsqrt()?)?;
            v.get(1).map_or(Ok(y.clone()), |weight| y.mul(weight))
        })
    }
}

impl Var {
    /// Root mean square normalisation: `self / √(mean(self²) + eps) · weight`, with the mean over each row.
    ///
    /// # Shapes
    /// `normalized_shape` holds the last dims of `self`, which make a row; `weight` has this shape, and is 1 if absent. The
    /// result has the shape of `self`.
    ///
    /// # Numerics
    /// Means in f64. Without `eps` the distance from 1 to the next number of the dtype is taken, as in PyTorch. f32 or f64, all alike.
    ///
    /// # Gradient
    /// With `h = g · weight` and `r = 1 / √(mean + eps)`: `r (h - x̂ · mean(h · x̂))` for the input, `Σ g · x̂` over the rows for the
    /// weight. Any number of times. Saves the inputs and one number a row.
    ///
    /// # Errors
    /// As [`Var::layer_norm`].
    ///
    /// As `torch.nn.functional.rms_norm`. Zhang and Sennrich 2019, arXiv:1910.07467.
    pub fn rms_norm(
        &self,
        normalized_shape: &[usize],
        weight: Option<&Self>,
        eps: Option<f64>,
    ) -> Result<Self> {
        let eps = eps.unwrap_or(if self.dtype() == DType::F32 {
            f64::from(f32::EPSILON)
        } else {
            f64::EPSILON
        });
        let row = row_shape(NAME, self, normalized_shape, eps)?;
        let given: Vec<&Tensor> = weight.into_iter().map(Self::tensor).collect();
        require_params(NAME, self.tensor(), &row, &given)?;
        let norm = RmsNorm {
            dims: row.rank(),
            eps,
            weight: weight.is_some(),
        };
        let inputs: Vec<&Self> = [Some(self), weight].into_iter().flatten().collect();
        apply(norm, &inputs)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let (x, row) = (a.var("x")?, a.sizes("normalized_shape")?);
        let eps = a.opt("eps", Args::float)?;
        Ok(one(x.rms_norm(&row, a.opt_var("weight"), eps)?))
    })
    .input("x", Kind::Float)
    .optional("weight", Kind::Float)
    .required("normalized_shape", AttrType::Ints)
    .attr("eps", AttrType::Float, Attr::None)
    .reference(|a| {
        let eps = a.opt("eps", Args::float)?.unwrap_or(f64::EPSILON);
        rows_reference(a, |row| {
            let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
            row.iter().map(|x| x / (mean + eps).sqrt()).collect()
        })
    })
    .draw(|d| {
        let args = draw_rows(d, false)?;
        Ok(if d.below(4) == 3 {
            args.attr("eps", Attr::None)
        } else {
            args
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_49_a_long_row_of_ones_stays_ones() {
        let ones = vec![1.0_f32; 70_000];
        let y = constant(&ones, [1, 70_000]).rms_norm(&[70_000], None, Some(0.0));
        assert!(values(&y.unwrap()).iter().all(|&v| v == 1.0));
    }
}
