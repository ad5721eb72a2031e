//! Sums of exponentials, in logarithms.

use crate::ops::support::lean::{Lean2, lean2, mask2};
use crate::ops::support::scalar_like;
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const LOGADDEXP: Lean2 = Lean2 {
    name: "logaddexp",
    value: |a, b| {
        if a == b && a.is_infinite() {
            return a;
        }
        a.max(b) + libm::log1p(libm::exp(-(a - b).abs()))
    },
    grad_a: |grad, a, b| grad.mul(&ahead(a, b)?.sigmoid()?),
    grad_b: |grad, a, b| grad.mul(&ahead(b, a)?.sigmoid()?),
};

/// `a - b`, and -∞ where both are the same infinity: no share for either.
fn ahead(a: &Var, b: &Var) -> Result<Var> {
    let level = mask2(a.tensor(), b.tensor(), |a, b| a == b && a.is_infinite())?;
    scalar_like(a, f64::NEG_INFINITY)?.where_(&level, &a.sub(b)?)
}

impl Var {
    /// `ln(e^self + e^other)`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// The larger one is taken out first, so nothing overflows; two -∞ give -∞. Computed in f64, rounded once. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` by the share of each, 0 where both are the same infinity (PyTorch: NaN),
    /// summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.logaddexp`.
    pub fn logaddexp(&self, other: &Self) -> Result<Self> {
        lean2(LOGADDEXP, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("logaddexp", logaddexp, [Values::REAL; 2], |x, y| (x.exp()
        + y.exp())
    .ln())
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_23_infinities_have_no_nan() {
        let low = f64::NEG_INFINITY;
        let (x, y) = (leaf(&[low, low, 1e4], 3), leaf(&[low, 2.0, -1e4], 3));
        let z = x.logaddexp(&y).unwrap();
        assert_eq!(values(&z), [low, 2.0, 1e4]);
        let grads = z.backward_with(&constant(&[1.0_f64; 3], 3)).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, 1.0]
        );
        assert_eq!(
            grads.get_var(&y).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 1.0, 0.0]
        );
        let nan = constant(&[f64::NAN], 1);
        assert!(values(&nan.logaddexp(&constant(&[1.0_f64], 1)).unwrap())[0].is_nan());
    }
}
