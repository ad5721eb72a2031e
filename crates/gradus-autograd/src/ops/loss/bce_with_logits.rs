//! Binary cross-entropy of scores.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, fits, reduced, weighted};
use crate::ops::support::same_shape;
use crate::{Result, Tensor, Var};

/// How the elements of a binary cross-entropy count. The defaults are PyTorch's.
#[derive(Clone, Debug, Default)]
pub struct BceWithLogitsConfig {
    /// A weight of each element's loss, broadcast. Default: 1.
    pub weight: Option<Tensor>,
    /// A weight of the positive part of each element's loss, broadcast: one a class to make up for rare ones. Default: 1.
    pub pos_weight: Option<Tensor>,
    /// Mean, sum, or one loss an element. Default: the mean.
    pub reduction: Reduction,
}

#[derive(Clone, Copy, Debug)]
struct BceWithLogits;

impl Function2 for BceWithLogits {
    const NAME: &'static str = "bce_with_logits";

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
fn with_pos_weight(x: &Var, target: &Var, pos_weight: &Tensor) -> Result<Var> {
    fits(BceWithLogits::NAME, x, pos_weight)?;
    let factor = Var::constant(pos_weight.clone())
        .add_scalar(-1.0)?
        .mul(target)?
        .add_scalar(1.0)?;
    let positive = factor.mul(&x.log_sigmoid()?)?;
    target.neg()?.add_scalar(1.0)?.mul(x)?.sub(&positive)
}

impl Var {
    /// Binary cross-entropy of unnormalised scores: `-(w · target · ln σ(x) + (1 - target) · ln(1 - σ(x)))` with `σ` the
    /// logistic function and `w` the `pos_weight`; weighted and reduced.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast. The weights broadcast to them. The result has their shape for
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
    /// let loss = x.bce_with_logits(&target, &BceWithLogitsConfig::default())?;
    /// assert_eq!(loss.item::<f64>()?, std::f64::consts::LN_2 / 2.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.binary_cross_entropy_with_logits`.
    pub fn bce_with_logits(&self, target: &Self, config: &BceWithLogitsConfig) -> Result<Self> {
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

#[cfg(test)]
mod tests {
    use super::BceWithLogitsConfig;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Tensor, Var};

    const TARGET: [f64; 6] = [0.0, 1.0, 0.3, 1.0, 0.0, 0.9];
    const WEIGHT: [f64; 3] = [0.5, 1.5, 2.0];

    fn pair() -> [Tensor; 2] {
        [tensor(&BOTH_SIGNS, [2, 3]), tensor(&TARGET, [2, 3])]
    }

    fn loss(v: &[Var], weight: bool, pos_weight: bool, reduction: Reduction) -> Result<Var> {
        let given = tensor(&WEIGHT, 3).to_dtype(v[0].dtype())?;
        let [weight, pos_weight] = [weight, pos_weight].map(|there| there.then(|| given.clone()));
        v[0].bce_with_logits(
            &v[1],
            &BceWithLogitsConfig {
                weight,
                pos_weight,
                reduction,
            },
        )
    }

    #[test]
    fn forward_matches_reference() {
        for (weight, pos_weight) in [(false, false), (true, false), (false, true), (true, true)] {
            let losses: Vec<f64> = (0..6)
                .map(|i| {
                    let (x, t) = (BOTH_SIGNS[i], TARGET[i]);
                    let p = 1.0 / (1.0 + (-x).exp());
                    let w = |there: bool| if there { WEIGHT[i % 3] } else { 1.0 };
                    -w(weight) * (w(pos_weight) * t * p.ln() + (1.0 - t) * (1.0 - p).ln())
                })
                .collect();
            let sum: f64 = losses.iter().sum();
            check_forward(
                |v| loss(v, weight, pos_weight, Reduction::None),
                &pair(),
                &losses,
            );
            check_forward(
                |v| loss(v, weight, pos_weight, Reduction::Sum),
                &pair(),
                &[sum],
            );
            check_forward(
                |v| loss(v, weight, pos_weight, Reduction::Mean),
                &pair(),
                &[sum / 6.0],
            );
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for reduction in [Reduction::None, Reduction::Mean] {
            check_gradient(|v| loss(v, false, false, reduction), &pair());
            check_gradient(|v| loss(v, true, true, reduction), &pair());
        }
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| loss(v, false, false, Reduction::None), &pair());
        check_layouts(|v| loss(v, true, true, Reduction::Mean), &pair());
        check_empty(
            |v| loss(v, false, true, Reduction::Sum),
            &[&[0, 3], &[0, 3]],
        );
    }

    #[test]
    fn scores_of_any_size_are_exact() {
        let x = leaf(&[1e4_f32, -1e4, 1e4, -1e4], 4);
        let target = constant(&[1.0_f32, 0.0, 0.0, 1.0], 4);
        let config = BceWithLogitsConfig {
            reduction: Reduction::None,
            ..Default::default()
        };
        let y = x.bce_with_logits(&target, &config).unwrap();
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
        check_rejects_other_shapes(|x, t| x.bce_with_logits(t, &plain));
        let x = constant(&[0.5_f64; 2], 2);
        let wide = Some(tensor(&[1.0_f64; 6], [3, 2]));
        let got = x.bce_with_logits(
            &x,
            &BceWithLogitsConfig {
                pos_weight: wide.clone(),
                ..plain.clone()
            },
        );
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.bce_with_logits(
            &x,
            &BceWithLogitsConfig {
                weight: wide,
                ..plain.clone()
            },
        );
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        assert!(matches!(
            integers().bce_with_logits(&integers(), &plain),
            Err(Error::DType { .. })
        ));
    }
}
