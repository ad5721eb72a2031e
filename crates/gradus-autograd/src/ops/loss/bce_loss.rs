//! Binary cross-entropy of probabilities.

use gradus_linalg::{Float, reduce};

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, reduced, weighted};
use crate::ops::support::{require, same_shape, with_float};
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
    const NAME: &'static str = "bce_loss";

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
        "in 0..=1; for scores use bce_with_logits",
        low,
    )?;
    require(
        high <= 1.0,
        Bce::NAME,
        "probability",
        "in 0..=1; for scores use bce_with_logits",
        high,
    )
}

impl Var {
    /// Binary cross-entropy of probabilities: `-(target · ln p + (1 - target) · ln(1 - p))`, weighted and reduced.
    ///
    /// [`Var::bce_with_logits`] takes scores instead and is exact where this one saturates.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast. `weight` broadcasts to them. The result has their shape for
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
    /// let loss = p.bce_loss(&target, None, Reduction::Sum)?;
    /// assert_eq!(loss.item::<f64>()?, std::f64::consts::LN_2);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.binary_cross_entropy`.
    pub fn bce_loss(
        &self,
        target: &Self,
        weight: Option<&Tensor>,
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

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Tensor, Var};

    const P: [f64; 6] = [0.1, 0.35, 0.5, 0.7, 0.85, 0.95];
    const TARGET: [f64; 6] = [0.0, 1.0, 0.3, 1.0, 0.0, 0.9];
    const WEIGHT: [f64; 3] = [0.5, 1.5, 2.0];

    fn pair() -> [Tensor; 2] {
        [tensor(&P, [2, 3]), tensor(&TARGET, [2, 3])]
    }

    fn loss(v: &[Var], weighted: bool, reduction: Reduction) -> Result<Var> {
        let weight = tensor(&WEIGHT, 3).to_dtype(v[0].dtype())?;
        v[0].bce_loss(&v[1], weighted.then_some(&weight), reduction)
    }

    #[test]
    fn forward_matches_reference() {
        for weighted in [false, true] {
            let each = |i: usize| -(TARGET[i] * P[i].ln() + (1.0 - TARGET[i]) * (1.0 - P[i]).ln());
            let losses: Vec<f64> = (0..6)
                .map(|i| each(i) * if weighted { WEIGHT[i % 3] } else { 1.0 })
                .collect();
            let sum: f64 = losses.iter().sum();
            check_forward(|v| loss(v, weighted, Reduction::None), &pair(), &losses);
            check_forward(|v| loss(v, weighted, Reduction::Sum), &pair(), &[sum]);
            check_forward(
                |v| loss(v, weighted, Reduction::Mean),
                &pair(),
                &[sum / 6.0],
            );
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for reduction in [Reduction::None, Reduction::Sum, Reduction::Mean] {
            // The five-point stencil is coarse near 0 and 1.
            check_gradient_to(1e-6, |v| loss(v, true, reduction), &pair());
        }
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| loss(v, true, Reduction::None), &pair());
        check_layouts(|v| loss(v, false, Reduction::Mean), &pair());
        check_empty(|v| loss(v, false, Reduction::Sum), &[&[0, 3], &[0, 3]]);
    }

    #[test]
    fn certainty_is_finite() {
        let p = leaf(&[0.0, 1.0, 0.0, 1.0], 4);
        let y = p
            .bce_loss(&constant(&[0.0, 1.0, 1.0, 0.0], 4), None, Reduction::None)
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
            let got = x.bce_loss(&x, None, Reduction::Mean);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        check_rejects_other_shapes(|x, t| x.bce_loss(t, None, Reduction::Mean));
        let x = constant(&[0.5_f64; 2], 2);
        let got = x.bce_loss(&x, Some(&tensor(&[1.0_f64; 6], [3, 2])), Reduction::Mean);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        assert!(matches!(
            integers().bce_loss(&integers(), None, Reduction::Mean),
            Err(Error::DType { .. })
        ));
    }
}
