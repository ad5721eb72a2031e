//! Products with a logarithm.

use crate::ops::support::lean::{Lean2, lean2, mask2};
use crate::ops::support::scalar_like;
use crate::ops::support::unary::chain_var;
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const XLOGY: Lean2 = Lean2 {
    name: "xlogy",
    value: |a, b| match () {
        () if b.is_nan() => b,
        () if a == 0.0 => 0.0,
        () => a * libm::log(b),
    },
    grad_a: |grad, a, b| {
        let none = mask2(a.tensor(), b.tensor(), |a, b| a == 0.0 && b <= 0.0)?;
        let one = scalar_like(b, 1.0)?;
        chain_var(grad, &one.where_(&none, b)?.log()?)
    },
    grad_b: |grad, a, b| {
        let none = mask2(a.tensor(), b.tensor(), |a, b| a == 0.0 && b == 0.0)?;
        let one = scalar_like(b, 1.0)?;
        chain_var(grad, &a.div(&one.where_(&none, b)?)?)
    },
};

impl Var {
    /// `self · ln(other)`, and 0 where `self` is 0 (but NaN where `other` is).
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out · ln(other)`, and `grad_out · self / other`; where `self` is 0 the first is 0 for an `other` not above 0, and
    /// the second 0 for any (PyTorch: NaN for 0 and 0). Summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.special.xlogy`.
    pub fn xlogy(&self, other: &Self) -> Result<Self> {
        lean2(XLOGY, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("xlogy", xlogy, [Values::REAL, Values::POSITIVE], |x, y| x
        * y.ln())
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_15_zero_times_the_logarithm_of_zero_is_zero() {
        let (x, y) = (
            leaf(&[0.0_f64, 0.0, 1.0], 3),
            leaf(&[0.0_f64, -1.0, 0.0], 3),
        );
        let z = x.xlogy(&y).unwrap();
        assert_eq!(values(&z), [0.0, 0.0, f64::NEG_INFINITY]);
        let grads = z.backward_with(&constant(&[1.0_f64, 1.0, 0.0], 3)).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 3]
        );
        assert_eq!(
            grads.get_var(&y).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 3]
        );
    }
}
