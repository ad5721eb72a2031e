//! Binary cross-entropy of scores.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, draw_pair, fits, reduced, weigh, weighted};
use crate::ops::support::same_shape;
use crate::registry::templates::{loss_spec, reduce_losses, reduction};
use crate::registry::{Kind, OpSpec, Values, one};
use crate::{Result, Var};

/// How the elements of a binary cross-entropy count. The defaults are PyTorch's.
#[derive(Clone, Debug, Default)]
pub struct BceWithLogitsConfig {
    /// A weight of each element's loss, broadcast. Default: 1.
    pub weight: Option<Var>,
    /// A weight of the positive part of each element's loss, broadcast: one a class to make up for rare ones. Default: 1.
    pub pos_weight: Option<Var>,
    /// Mean, sum, or one loss an element. Default: the mean.
    pub reduction: Reduction,
}

#[derive(Clone, Copy, Debug)]
struct BceWithLogits;

impl Function2 for BceWithLogits {
    const NAME: &'static str = "binary_cross_entropy_with_logits";

    #[inline(always)]
    fn value<T: Float>(self, x: T, target: T) -> T {
        x.maximum(T::ZERO) - x * target + (-x.abs()).exp().ln_1p()
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, x: T, target: T) -> T {
        grad_out * (x.sigmoid() - target)
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, x: T, _target: T) -> T {
        -(grad_out * x)
    }

    fn grad_a_var(self, grad_out: &Var, x: &Var, target: &Var) -> Result<Var> {
        grad_out.mul(&x.sigmoid()?.sub(target)?)
    }

    fn grad_b_var(self, grad_out: &Var, x: &Var, _target: &Var) -> Result<Var> {
        grad_out.mul(x)?.neg()
    }
}

/// `(1 - target) · x + (1 + (pos_weight - 1) · target) · ln(1 + e^-x)`.
fn with_pos_weight(x: &Var, target: &Var, pos_weight: &Var) -> Result<Var> {
    fits(BceWithLogits::NAME, x, pos_weight)?;
    let factor = pos_weight.add_scalar(-1.0)?.mul(target)?.add_scalar(1.0)?;
    let positive = factor.mul(&x.log_sigmoid()?)?;
    target.neg()?.add_scalar(1.0)?.mul(x)?.sub(&positive)
}

impl Var {
    /// Binary cross-entropy of unnormalised scores: `-(w · target · ln σ(x) + (1 - target) · ln(1 - σ(x)))` with `σ` the
    /// logistic function and `w` the `pos_weight`; weighted and reduced.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast. The weights, differentiable, broadcast to them. The result has their shape for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. As `max(x, 0) - x · target + ln(1 + e^-|x|)`: exact for scores of any size. The mean divides by the number of
    /// elements, whatever their weights; of no elements it is NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// Without `pos_weight` `grad_out · (σ(x) - target)` and `-grad_out · x`. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::BceWithLogitsConfig};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, 1.0], [2])?);
    /// let loss = x.binary_cross_entropy_with_logits(&target, &BceWithLogitsConfig::default())?;
    /// assert_eq!(loss.item::<f64>()?, std::f64::consts::LN_2 / 2.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.binary_cross_entropy_with_logits`.
    pub fn binary_cross_entropy_with_logits(
        &self,
        target: &Self,
        config: &BceWithLogitsConfig,
    ) -> Result<Self> {
        same_shape(BceWithLogits::NAME, self.tensor(), target.tensor())?;
        let losses = match &config.pos_weight {
            Some(pos_weight) => with_pos_weight(self, target, pos_weight)?,
            None => binary(BceWithLogits, self, target)?,
        };
        reduced(
            weighted(BceWithLogits::NAME, losses, config.weight.as_ref())?,
            config.reduction,
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        BceWithLogits::NAME,
        |a| {
            let config = BceWithLogitsConfig {
                weight: a.opt_var("weight").cloned(),
                pos_weight: a.opt_var("pos_weight").cloned(),
                reduction: reduction(a)?,
            };
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.binary_cross_entropy_with_logits(target, &config)?))
        },
        |a| {
            let pos_weight = a.opt_dense("pos_weight")?;
            let (x, target) = (a.dense("x")?, a.dense("target")?);
            let each = crate::registry::Dense::from_fn(&x.dims, |i| {
                let (p, t) = (1.0 / (1.0 + (-x.at(i)).exp()), target.at(i));
                let w = pos_weight.as_ref().map_or(1.0, |w| w.wide(i));
                -(w * t * p.ln() + (1.0 - t) * (1.0 - p).ln())
            });
            reduce_losses(a, weigh(a, each)?)
        },
    )
    .optional("weight", Kind::Float)
    .optional("pos_weight", Kind::Float)
    .draw(|d| {
        let mut args = draw_pair(d, Values::REAL, Values::UNIT)?;
        let wide = args.var("x")?.dims().to_vec();
        for name in ["weight", "pos_weight"] {
            if d.flag() {
                let dims = d.narrower(&wide);
                args = args.with(name, d.floats(&dims, Values::POSITIVE)?);
            }
        }
        Ok(args)
    })
}

#[cfg(test)]
mod tests {
    use super::BceWithLogitsConfig;
    use crate::Error;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn scores_of_any_size_are_exact() {
        let x = leaf(&[1e4_f32, -1e4, 1e4, -1e4], 4);
        let target = constant(&[1.0_f32, 0.0, 0.0, 1.0], 4);
        let config = BceWithLogitsConfig {
            reduction: Reduction::None,
            ..Default::default()
        };
        let y = x
            .binary_cross_entropy_with_logits(&target, &config)
            .unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 1e4, 1e4]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [0.0, 0.0, 1.0, -1.0]
        );
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let plain = BceWithLogitsConfig::default();
        check_rejects_other_shapes(|x, t| x.binary_cross_entropy_with_logits(t, &plain));
        let x = constant(&[0.5_f64; 2], 2);
        let wide = Some(constant(&[1.0_f64; 6], [3, 2]));
        let got = x.binary_cross_entropy_with_logits(
            &x,
            &BceWithLogitsConfig {
                pos_weight: wide.clone(),
                ..plain.clone()
            },
        );
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.binary_cross_entropy_with_logits(
            &x,
            &BceWithLogitsConfig {
                weight: wide,
                ..plain.clone()
            },
        );
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        assert!(matches!(
            integers().binary_cross_entropy_with_logits(&integers(), &plain),
            Err(Error::DType { .. })
        ));
    }
}
