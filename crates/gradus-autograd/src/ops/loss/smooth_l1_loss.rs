//! Absolute errors, rounded off at 0.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, draw_distances, reduced};
use crate::ops::support::require;
use crate::ops::support::same_shape;
use crate::registry::templates::{loss_spec, reduce_losses, reduction};
use crate::registry::{AttrType, OpSpec, one};
use crate::{Result, Var};

/// The derivative by the distance.
#[inline(always)]
fn slope<T: Float>(distance: T, beta: T) -> T {
    if distance.abs() < beta {
        distance / beta
    } else {
        distance.sign()
    }
}

/// The same, composed of ops.
fn slope_var(distance: &Var, beta: f64) -> Result<Var> {
    distance
        .clamp(Some(-beta), Some(beta))?
        .mul_scalar(1.0 / beta)
}

#[derive(Clone, Copy, Debug)]
struct SmoothL1Loss {
    beta: f64,
}

impl Function2 for SmoothL1Loss {
    const NAME: &'static str = "smooth_l1_loss";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        let distance = (a - b).abs();
        let beta = T::from_f64(self.beta);
        if distance < beta {
            T::HALF * distance * distance / beta
        } else {
            distance - T::HALF * beta
        }
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * slope(a - b, T::from_f64(self.beta))
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * slope(b - a, T::from_f64(self.beta))
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&slope_var(&a.sub(b)?, self.beta)?)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&slope_var(&b.sub(a)?, self.beta)?)
    }
}

impl Var {
    /// Absolute error that is a parabola near 0, reduced: with `d = x - target`, `d² / (2 beta)` where `|d| < beta`, else
    /// `|d| - beta / 2`. PyTorch's default `beta` is 1; 0 gives [`Var::l1_loss`].
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast, since a column against a row is nearly always a mistake. The
    /// result has their shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Sums as [`Var::sum`]. The mean of no elements is NaN.
    ///
    /// # Gradient
    /// `grad_out · d / beta` or `grad_out · sign(d)`, and its negative; divided by the number of elements for the mean. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64;
    /// [`crate::Error::Argument`] if `beta` is negative or NaN.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 5.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.smooth_l1_loss(&target, 1.0, Reduction::Sum)?.item::<f64>()?, 2.625);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.smooth_l1_loss`.
    pub fn smooth_l1_loss(&self, target: &Self, beta: f64, reduction: Reduction) -> Result<Self> {
        same_shape("smooth_l1_loss", self.tensor(), target.tensor())?;
        require(beta >= 0.0, "smooth_l1_loss", "beta", "at least 0", beta)?;
        if beta == 0.0 {
            return self.l1_loss(target, None, reduction);
        }
        reduced(binary(SmoothL1Loss { beta }, self, target)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "smooth_l1_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.smooth_l1_loss(
                target,
                a.float("beta")?,
                reduction(a)?,
            )?))
        },
        |a| {
            let beta = a.float("beta")?;
            let each = a.dense("x")?.zip(&a.dense("target")?, |x, y| {
                let d = (x - y).abs();
                if d < beta {
                    d * d / (2.0 * beta)
                } else {
                    d - beta / 2.0
                }
            });
            reduce_losses(a, each)
        },
    )
    .attr("beta", AttrType::Float, 1.0)
    .draw(|d| {
        let args = draw_distances(d, &[0.0, -1.0, 1.0, -0.5, 0.5])?;
        Ok(args.attr("beta", d.pick(&[1.0, 0.5, 0.0])))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.smooth_l1_loss(t, 0.9, Reduction::Mean));
    }

    #[test]
    fn rejects_a_negative_beta() {
        let x = constant(&[1.0_f64], 1);
        assert!(x.smooth_l1_loss(&x, -1.0, Reduction::Mean).is_err());
    }
}
