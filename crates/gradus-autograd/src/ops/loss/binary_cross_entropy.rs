//! Binary cross-entropy of probabilities.

use gradus_linalg::{Float, reduce};

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, draw_pair, reduced, weigh, weighted};
use crate::ops::support::{require, same_shape, with_float};
use crate::registry::templates::{loss_spec, reduce_losses, reduction};
use crate::registry::{Kind, OpSpec, Values, one};
use crate::{Result, Tensor, Var};

/// Logarithms are no lower than this, as PyTorch's, so that the loss stays finite.
const LOWEST_LOG: f64 = -100.0;
/// `p (1 - p)` in the gradient is no lower than this, as PyTorch's.
const LOWEST_SPREAD: f64 = 1e-12;

#[derive(Clone, Copy, Debug)]
struct Bce;

/// `ln p`, limited.
#[inline(always)]
fn limited_ln<T: Float>(p: T) -> T {
    p.ln().maximum(T::from_f64(LOWEST_LOG))
}

impl Function2 for Bce {
    const NAME: &'static str = "binary_cross_entropy";

    #[inline(always)]
    fn value<T: Float>(self, p: T, target: T) -> T {
        (target - T::ONE) * limited_ln(T::ONE - p) - target * limited_ln(p)
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, p: T, target: T) -> T {
        let spread = (p * (T::ONE - p)).maximum(T::from_f64(LOWEST_SPREAD));
        grad_out * ((p - target) / spread)
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, p: T, _target: T) -> T {
        grad_out * (limited_ln(T::ONE - p) - limited_ln(p))
    }

    fn grad_a_var(self, grad_out: &Var, p: &Var, target: &Var) -> Result<Var> {
        let spread = p
            .mul(&p.neg()?.add_scalar(1.0)?)?
            .clamp(Some(LOWEST_SPREAD), None)?;
        grad_out.mul(&p.sub(target)?.div(&spread)?)
    }

    fn grad_b_var(self, grad_out: &Var, p: &Var, _target: &Var) -> Result<Var> {
        let ln = |p: &Var| p.log()?.clamp(Some(LOWEST_LOG), None);
        grad_out.mul(&ln(&p.neg()?.add_scalar(1.0)?)?.sub(&ln(p)?)?)
    }
}

/// Refuses what is no probability, NaN included.
fn require_probabilities(p: &Tensor) -> Result<()> {
    let axes: Vec<usize> = (0..p.rank()).collect();
    if p.numel() == 0 {
        return Ok(());
    }
    let [low, high] = with_float!(p.dtype(), Bce::NAME, T => {
        let (view, mut low, mut high) = (p.view::<T>()?, [T::ZERO], [T::ZERO]);
        reduce::min(&mut low, view, &axes);
        reduce::max(&mut high, view, &axes);
        Ok([low[0].to_f64(), high[0].to_f64()])
    })?;
    require(
        low >= 0.0,
        Bce::NAME,
        "probability",
        "in 0..=1; for scores use binary_cross_entropy_with_logits",
        low,
    )?;
    require(
        high <= 1.0,
        Bce::NAME,
        "probability",
        "in 0..=1; for scores use binary_cross_entropy_with_logits",
        high,
    )
}

impl Var {
    /// Binary cross-entropy of probabilities: `-(target · ln p + (1 - target) · ln(1 - p))`, weighted and reduced.
    ///
    /// [`Var::binary_cross_entropy_with_logits`] takes scores instead and is exact where this one saturates.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast. `weight` (differentiable) broadcasts to them. The result has their shape for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. Logarithms are at least -100, as PyTorch's. The mean divides by the number of elements, whatever their weights;
    /// of no elements it is NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `grad_out · (p - target) / max(p (1 - p), 1e-12)` and `grad_out · (ln(1 - p) - ln p)`. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if an element of `self` is not in `0..=1`; [`crate::Error::ShapeMismatch`],
    /// [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let p = Var::from(Tensor::from_slice(&[0.5_f64, 1.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, 1.0], [2])?);
    /// let loss = p.binary_cross_entropy(&target, None, Reduction::Sum)?;
    /// assert_eq!(loss.item::<f64>()?, std::f64::consts::LN_2);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.binary_cross_entropy`.
    pub fn binary_cross_entropy(
        &self,
        target: &Self,
        weight: Option<&Self>,
        reduction: Reduction,
    ) -> Result<Self> {
        same_shape(Bce::NAME, self.tensor(), target.tensor())?;
        require_probabilities(self.tensor())?;
        reduced(
            weighted(Bce::NAME, binary(Bce, self, target)?, weight)?,
            reduction,
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        Bce::NAME,
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            let weight = a.opt_var("weight");
            Ok(one(x.binary_cross_entropy(
                target,
                weight,
                reduction(a)?,
            )?))
        },
        |a| {
            let each = a.dense("x")?.zip(&a.dense("target")?, |p, t| {
                -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
            });
            reduce_losses(a, weigh(a, each)?)
        },
    )
    .optional("weight", Kind::Float)
    .kinked()
    .draw(|d| {
        let args = draw_pair(d, Values::between(0.1, 0.9), Values::UNIT)?;
        if !d.flag() {
            return Ok(args);
        }
        let dims = d.narrower(args.var("x")?.dims());
        Ok(args.with("weight", d.floats(&dims, Values::POSITIVE)?))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn certainty_is_finite() {
        let p = leaf(&[0.0, 1.0, 0.0, 1.0], 4);
        let y = p
            .binary_cross_entropy(&constant(&[0.0, 1.0, 1.0, 0.0], 4), None, Reduction::None)
            .unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 100.0, 100.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&p).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, -1e12, 1e12]
        );
    }

    #[test]
    fn rejects_what_is_no_probability() {
        for bad in [-0.1, 1.1, f64::NAN] {
            let x = constant(&[0.5, bad], 2);
            let got = x.binary_cross_entropy(&x, None, Reduction::Mean);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        check_rejects_other_shapes(|x, t| x.binary_cross_entropy(t, None, Reduction::Mean));
        let x = constant(&[0.5_f64; 2], 2);
        let got =
            x.binary_cross_entropy(&x, Some(&constant(&[1.0_f64; 6], [3, 2])), Reduction::Mean);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        assert!(matches!(
            integers().binary_cross_entropy(&integers(), None, Reduction::Mean),
            Err(Error::DType { .. })
        ));
    }
}
