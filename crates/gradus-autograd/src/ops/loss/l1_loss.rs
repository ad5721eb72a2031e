//! Absolute errors.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary, slope_a, slope_b};
use crate::ops::support::loss::{
    Reduction, draw_distances, draw_weight, reduce_weighted, weighted_mean,
};
use crate::ops::support::same_shape;
use crate::registry::templates::{loss_spec, reduction};
use crate::registry::{Kind, OpSpec, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct L1Loss;

impl Function2 for L1Loss {
    const NAME: &'static str = "l1_loss";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        (a - b).abs()
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (a - b).sign()
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (b - a).sign()
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_a(self, grad_out, a, b)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_b(self, grad_out, a, b)
    }
}

impl Var {
    /// Absolute error: `|x - target|`, reduced.
    ///
    /// With a `weight` of each element (their shape, differentiable) the losses are multiplied by it, and the mean divides by the sum of the weights.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast, since a column against a row is nearly always a mistake. The
    /// result has their shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Sums as [`Var::sum`]. The mean of no elements is NaN.
    ///
    /// # Gradient
    /// `grad_out · sign(x - target)` and its negative, 0 where they are equal; divided by the number of elements for the mean. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 5.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.l1_loss(&target, None, Reduction::Mean)?.item::<f64>()?, 1.75);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.l1_loss`.
    pub fn l1_loss(
        &self,
        target: &Self,
        weight: Option<&Self>,
        reduction: Reduction,
    ) -> Result<Self> {
        same_shape("l1_loss", self.tensor(), target.tensor())?;
        weighted_mean("l1_loss", binary(L1Loss, self, target)?, weight, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "l1_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.l1_loss(
                target,
                a.opt_var("weight"),
                reduction(a)?,
            )?))
        },
        |a| {
            reduce_weighted(
                a,
                a.dense("x")?.zip(&a.dense("target")?, |x, y| (x - y).abs()),
            )
        },
    )
    .optional("weight", Kind::Float)
    .draw(|d| {
        let args = draw_distances(d, &[0.0])?;
        draw_weight(d, args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.l1_loss(t, None, Reduction::Mean));
    }
}
