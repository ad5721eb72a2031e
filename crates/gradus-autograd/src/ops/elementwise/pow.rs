//! Powers.

use crate::ops::support::lean::{Lean2, lean2, mask, mask2, replaced};
use crate::ops::support::scalar_like;
use crate::ops::support::unary::chain_var;
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const POW: Lean2 = Lean2 {
    name: "pow",
    value: libm::pow,
    grad_a: |grad, a, b| {
        let flat = |b: f64, _| b == 0.0;
        let exponent = replaced(b, flat, 1.0)?;
        let slope = a.pow(&exponent.add_scalar(-1.0)?)?.mul(&exponent)?;
        let slope = scalar_like(b, 0.0)?.where_(&mask(b.tensor(), [0.0; 3], flat)?, &slope)?;
        chain_var(grad, &slope)
    },
    grad_b: |grad, a, b| {
        let flat = mask2(a.tensor(), b.tensor(), |a, b| a == 0.0 && b >= 0.0)?;
        let base = scalar_like(a, 1.0)?.where_(&flat, a)?;
        chain_var(grad, &base.pow(b)?.mul(&base.log()?)?)
    },
};

impl Var {
    /// Each element to the power of one of `exponent`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One call of the power function, with the special cases of IEEE 754: `x^0 = 1` also for 0 and NaN, a negative `x` to a
    /// broken power is NaN. Computed in f64, rounded once; [`Var::pow_scalar`] is faster. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out · exponent · x^(exponent - 1)`, 0 where the exponent is 0; and `grad_out · y · ln x`, 0 where `x` is 0 and
    /// the exponent is not below 0. Where nothing flows in it stays 0, also at the poles. Summed over the dims in which an
    /// operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.pow`.
    pub fn pow(&self, exponent: &Self) -> Result<Self> {
        lean2(POW, self, exponent)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("pow", pow, [Values::POSITIVE, Values::REAL], f64::powf)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_16_power_0_at_0_and_negative_bases() {
        let (x, y) = (
            leaf(&[0.0_f64, 0.0, -2.0], 3),
            constant(&[0.0_f64, 2.0, 2.0], 3),
        );
        let z = x.pow(&y).unwrap();
        assert_eq!(values(&z), [1.0, 0.0, 4.0]);
        // The exponent asks for no gradient, so the logarithm of the base is not taken.
        let grads = z.backward_with(&constant(&[1.0_f64; 3], 3)).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, -4.0]
        );
        let (x, y) = (constant(&[0.0_f64, 0.0], 2), leaf(&[0.0_f64, 2.0], 2));
        let grads = x
            .pow(&y)
            .unwrap()
            .backward_with(&constant(&[1.0_f64; 2], 2))
            .unwrap();
        assert_eq!(
            grads.get_var(&y).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 2]
        );
    }
}
