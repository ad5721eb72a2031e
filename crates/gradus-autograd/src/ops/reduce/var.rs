//! Variances over dims.

use gradus_linalg::{Float, elementwise, reduce};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lanes::reduced_axes;
use crate::ops::support::with_float;
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Variance {
    axes: Vec<usize>,
    correction: f64,
    keepdim: bool,
}

impl Variance {
    /// What the sum of squares is divided by: not below 0.
    fn divisor(&self, shape: &[usize]) -> f64 {
        let count: usize = self.axes.iter().map(|&axis| shape[axis]).product();
        (count as f64 - self.correction).max(0.0)
    }
}

fn variance<T: Float>(x: &Tensor, op: &Variance) -> Result<Tensor> {
    let (view, kept) = (x.view::<T>()?, x.shape().reduced(&op.axes, true));
    let means = Tensor::build(kept, |dst: &mut [T]| reduce::mean(dst, view, &op.axes))?;
    let means = means.view::<T>()?.broadcast("var", x.shape())?;
    let squares = Tensor::build(x.shape(), |dst: &mut [f64]| {
        elementwise::map2(
            dst,
            view,
            means,
            #[inline(always)]
            |x, mean| {
                let distance = x.to_f64() - mean.to_f64();
                distance * distance
            },
        );
    })?;
    let squares = squares.view::<f64>()?;
    let divisor = op.divisor(x.shape());
    let sums = Tensor::build(
        x.shape().reduced(&op.axes, op.keepdim),
        |dst: &mut [f64]| {
            reduce::sum(dst, squares, &op.axes);
            elementwise::update0(
                dst,
                #[inline(always)]
                |sum| sum / divisor,
            );
        },
    )?;
    sums.to_dtype(T::DTYPE)
}

impl Op for Variance {
    fn name(&self) -> &'static str {
        "var"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => Ok(variance::<T>(x, self)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, shape) = (ctx.input(0)?, ctx.input_shape(0));
        let dims: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
        let grad = ctx
            .grad(grad_out, 0)?
            .reshape(shape.reduced(&self.axes, true))?;
        let mean = if dims.is_empty() {
            x.clone()
        } else {
            x.mean(&dims, true)?
        };
        let grad = grad.mul_scalar(2.0 / self.divisor(shape))?;
        Ok(vec![Some(x.sub(&mean)?.mul(&grad)?)])
    }
}

impl Var {
    /// The variance over `dims`, or over all if `dims` is empty: `Σ (x - mean)² / (count - correction)`.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Two passes, differences and sums in f64. `correction` 1 (PyTorch's default) gives the unbiased estimate, 0 the
    /// biased one that normalisation uses. Of as many elements as `correction` (one, say) it is NaN, of fewer
    /// infinite, as PyTorch's. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · 2 (x - mean) / (count - correction)`: 0 for equal elements. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3])?);
    /// assert_eq!(x.var(&[], 1, false)?.item::<f32>()?, 1.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.var`.
    pub fn var(&self, dims: &[isize], correction: impl Into<f64>, keepdim: bool) -> Result<Self> {
        let op = Variance {
            axes: reduced_axes("var", self.shape(), dims)?,
            correction: correction.into(),
            keepdim,
        };
        apply(op, &[self])
    }
}

/// A variance of a few elements.
pub(super) fn variance_of(group: &[f64], correction: f64) -> f64 {
    let mean = group.iter().sum::<f64>() / group.len() as f64;
    let sum: f64 = group.iter().map(|x| (x - mean) * (x - mean)).sum();
    sum / (group.len() as f64 - correction).max(0.0)
}

/// The spec of an op over `dim` with `correction` and `keepdim`.
pub(super) fn moment_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    fn draw(d: &mut Draw) -> Result<Args> {
        let dims = d.shape(1..=3, 2..=4);
        let correction = d.pick(&[1.0, 0.0, 0.5, 1.5]);
        Ok(draw_reduction(d, &dims, |d| d.reals(&dims))?.attr("correction", correction))
    }
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .attr("dim", AttrType::Ints, Vec::<i64>::new())
        .attr("correction", AttrType::Float, 1.0)
        .attr("keepdim", AttrType::Bool, false)
        .reference(reference)
        .draw(draw)
}

/// The variances of the groups of a case.
pub(super) fn variances(a: &Args) -> Result<Dense> {
    let correction = a.float("correction")?;
    let mut all = reduce_reference(a, |group| variance_of(group, correction))?;
    Ok(all.remove(0))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    moment_spec(
        "var",
        |a| {
            let (dims, correction) = (a.isizes("dim")?, a.float("correction")?);
            Ok(one(a.var("x")?.var(
                &dims,
                correction,
                a.flag("keepdim")?,
            )?))
        },
        |a| Ok(vec![variances(a)?]),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_testing::check_close;

    #[test]
    fn museum_52_a_large_mean_does_not_hide_the_variance() {
        let noise = sampled(&[32_768], 1).to_vec::<f64>().unwrap();
        let far: Vec<f32> = noise.iter().map(|x| (0.01 * x + 100.0) as f32).collect();
        let exact: Vec<f64> = far.iter().map(|&x| f64::from(x)).collect();
        let mean = exact.iter().sum::<f64>() / exact.len() as f64;
        let want = exact.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / exact.len() as f64;
        let got = constant(&far, far.len()).var(&[], 0, false).unwrap();
        check_close("variance", &values(&got), &[want], 1e-5, 0.0);
        let huge = constant(&[1e18_f32, -1e18, 1e18, -1e18], 4)
            .var(&[], 0, false)
            .unwrap();
        check_close(
            "variance of huge elements",
            &values(&huge),
            &[1e36],
            1e-6,
            0.0,
        );
    }

    #[test]
    fn museum_14_a_constant_has_variance_0_and_gradient_0() {
        let x = leaf(&[3.0_f64; 4], 4);
        let y = x.var(&[], 1, false).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), 0.0);
        assert_eq!(
            y.backward()
                .unwrap()
                .get_var(&x)
                .unwrap()
                .to_vec::<f64>()
                .unwrap(),
            [0.0; 4]
        );
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).var(&[2], 1, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.var(&[], 1, false));
    }
}
