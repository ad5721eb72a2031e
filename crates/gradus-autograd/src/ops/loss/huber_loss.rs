//! Squared errors, linear far from 0.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, draw_distances, draw_weight, reduced, weigh, weighted};
use crate::ops::support::require;
use crate::ops::support::same_shape;
use crate::registry::templates::{loss_spec, reduce_losses, reduction};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct HuberLoss {
    delta: f64,
}

impl Function2 for HuberLoss {
    const NAME: &'static str = "huber_loss";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        let distance = (a - b).abs();
        let delta = T::from_f64(self.delta);
        if distance <= delta {
            T::HALF * distance * distance
        } else {
            delta * (distance - T::HALF * delta)
        }
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        let delta = T::from_f64(self.delta);
        grad_out * (a - b).maximum(-delta).minimum(delta)
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        let delta = T::from_f64(self.delta);
        grad_out * (b - a).maximum(-delta).minimum(delta)
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&a.sub(b)?.clamp(Some(-self.delta), Some(self.delta))?)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        grad_out.mul(&b.sub(a)?.clamp(Some(-self.delta), Some(self.delta))?)
    }
}

impl Var {
    /// Squared error that is linear far from 0, reduced: with `d = x - target`, `d² / 2` where `|d| <= delta`, else
    /// `delta · (|d| - delta / 2)`. PyTorch's default `delta` is 1.
    ///
    /// With a `weight` of each element (their shape, differentiable) the losses are multiplied by it; the mean divides by their number, as PyTorch's.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast, since a column against a row is nearly always a mistake. The
    /// result has their shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Sums as [`Var::sum`]. The mean of no elements is NaN.
    ///
    /// # Gradient
    /// `grad_out · d`, limited to `±delta`, and its negative; divided by the number of elements for the mean. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64;
    /// [`crate::Error::Argument`] if `delta` is not above 0.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 5.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.huber_loss(&target, 2.0, None, Reduction::Sum)?.item::<f64>()?, 4.125);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.huber_loss`.
    pub fn huber_loss(
        &self,
        target: &Self,
        delta: f64,
        weight: Option<&Self>,
        reduction: Reduction,
    ) -> Result<Self> {
        same_shape("huber_loss", self.tensor(), target.tensor())?;
        require(delta > 0.0, "huber_loss", "delta", "above 0", delta)?;
        if let Some(weight) = weight {
            same_shape("huber_loss", self.tensor(), weight.tensor())?;
        }
        let losses = binary(HuberLoss { delta }, self, target)?;
        reduced(weighted("huber_loss", losses, weight)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "huber_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            let weight = a.opt_var("weight");
            Ok(one(x.huber_loss(
                target,
                a.float("delta")?,
                weight,
                reduction(a)?,
            )?))
        },
        |a| {
            let delta = a.float("delta")?;
            let each = a.dense("x")?.zip(&a.dense("target")?, |x, y| {
                let d = (x - y).abs();
                if d <= delta {
                    d * d / 2.0
                } else {
                    delta * (d - delta / 2.0)
                }
            });
            reduce_losses(a, weigh(a, each)?)
        },
    )
    .attr("delta", AttrType::Float, 1.0)
    .optional("weight", Kind::Float)
    .draw(|d| {
        let args = draw_distances(d, &[-1.0, 1.0, -1.5, 1.5])?;
        let delta = d.pick(&[1.0, 1.5]);
        draw_weight(d, args.attr("delta", delta))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.huber_loss(t, 0.9, None, Reduction::Mean));
    }

    #[test]
    fn rejects_a_delta_of_zero() {
        let x = constant(&[1.0_f64], 1);
        assert!(x.huber_loss(&x, 0.0, None, Reduction::Mean).is_err());
    }
}
