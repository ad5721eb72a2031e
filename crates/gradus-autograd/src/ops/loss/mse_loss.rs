//! Squared errors.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{
    Reduction, draw_pair, draw_weight, reduce_weighted, weighted_mean,
};
use crate::ops::support::same_shape;
use crate::registry::templates::{loss_spec, reduction};
use crate::registry::{Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct MseLoss;

impl Function2 for MseLoss {
    const NAME: &'static str = "mse_loss";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        (a - b) * (a - b)
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (T::TWO * (a - b))
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (T::TWO * (b - a))
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&a.sub(b)?.mul_scalar(2.0)?)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&b.sub(a)?.mul_scalar(2.0)?)
    }
}

impl Var {
    /// Squared error: `(x - target)²`, reduced.
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
    /// `grad_out · 2 (x - target)` and its negative, divided by the number of elements for the mean. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 5.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.mse_loss(&target, None, Reduction::Mean)?.item::<f64>()?, 4.625);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.mse_loss`.
    pub fn mse_loss(
        &self,
        target: &Self,
        weight: Option<&Self>,
        reduction: Reduction,
    ) -> Result<Self> {
        same_shape("mse_loss", self.tensor(), target.tensor())?;
        weighted_mean(
            "mse_loss",
            binary(MseLoss, self, target)?,
            weight,
            reduction,
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "mse_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.mse_loss(
                target,
                a.opt_var("weight"),
                reduction(a)?,
            )?))
        },
        |a| {
            reduce_weighted(
                a,
                a.dense("x")?
                    .zip(&a.dense("target")?, |x, y| (x - y).powi(2)),
            )
        },
    )
    .optional("weight", Kind::Float)
    .draw(|d| {
        let args = draw_pair(d, Values::REAL, Values::REAL)?;
        draw_weight(d, args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.mse_loss(t, None, Reduction::Mean));
    }
}
