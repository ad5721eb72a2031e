//! Means over dims.

use gradus_linalg::reduce;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lanes::reduced_axes;
use crate::ops::support::with_float;
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Mean {
    axes: Vec<usize>,
    keepdim: bool,
}

impl Op for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => {
            let view = x.view::<T>()?;
            let means = Tensor::build(x.shape().reduced(&self.axes, self.keepdim), |dst: &mut [T]| {
                reduce::mean(dst, view, &self.axes);
            })?;
            Ok(means.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let shape = ctx.input_shape(0);
        let count: usize = self.axes.iter().map(|&axis| shape[axis]).product();
        let grad = ctx.grad(grad_out, 0)?.mul_scalar(1.0 / count as f64)?;
        Ok(vec![Some(
            grad.reshape(shape.reduced(&self.axes, true))?
                .expand(shape)?,
        )])
    }
}

impl Var {
    /// The mean over `dims`, or over all if `dims` is empty.
    ///
    /// # Shapes
    /// The averaged dims disappear, or stay with size 1 if `keepdim`. The mean of no elements is NaN.
    ///
    /// # Numerics
    /// As [`Var::sum`], divided in f64: right to the last place of f32 for any number of elements.
    ///
    /// # Gradient
    /// `grad_out` divided by the number of elements, expanded to the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.mean(&[0], false)?.tensor().to_vec::<f32>()?, [2.0, 3.0]);
    /// assert_eq!(x.mean(&[], false)?.item::<f32>()?, 2.5);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.mean`.
    pub fn mean(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        let axes = reduced_axes("mean", self.shape(), dims)?;
        apply(Mean { axes, keepdim }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("mean", |a| {
        Ok(one(a
            .var("x")?
            .mean(&a.isizes("dim")?, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a| reduce_reference(a, |group| group.iter().sum::<f64>() / group.len() as f64))
    .draw(|d| {
        let dims = d.any_shape();
        draw_reduction(d, &dims, |d| d.reals(&dims))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn the_mean_of_nothing_is_nan() {
        assert!(
            constant::<f32>(&[], 0)
                .mean(&[], false)
                .unwrap()
                .item::<f32>()
                .unwrap()
                .is_nan()
        );
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).mean(&[2], false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.mean(&[], false));
    }
}
