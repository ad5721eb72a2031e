//! Squared errors.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::same_shape;
use crate::registry::templates::{REDUCTIONS, loss_spec, reduce_losses, reduction};
use crate::registry::{Args, OpSpec, one};
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
    /// assert_eq!(x.mse_loss(&target, Reduction::Mean)?.item::<f64>()?, 4.625);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.mse_loss`.
    pub fn mse_loss(&self, target: &Self, reduction: Reduction) -> Result<Self> {
        same_shape("mse_loss", self.tensor(), target.tensor())?;
        reduced(binary(MseLoss, self, target)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "mse_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.mse_loss(target, reduction(a)?)?))
        },
        |a| {
            reduce_losses(
                a,
                a.dense("x")?
                    .zip(&a.dense("target")?, |x, y| (x - y).powi(2)),
            )
        },
    )
    .draw(|d| {
        let dims = d.any_shape();
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("target", d.reals(&dims)?)
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_loss(|x, t, r| x.mse_loss(t, r), |x, t| (x - t).powi(2));
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_loss_gradient(|x, t, r| x.mse_loss(t, r));
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].mse_loss(&v[1], Reduction::None), &loss_pair());
        check_layouts(|v| v[0].mse_loss(&v[1], Reduction::Mean), &loss_pair());
        check_empty(
            |v| v[0].mse_loss(&v[1], Reduction::Sum),
            &[&[0, 3], &[0, 3]],
        );
    }

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.mse_loss(t, Reduction::Mean));
    }
}
