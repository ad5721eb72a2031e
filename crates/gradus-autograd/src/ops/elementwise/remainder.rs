//! Remainders with the sign of the divisor.

use crate::ops::support::lean::{Lean2, lean2};
use crate::registry::templates::{binary_spec, draw_parts};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const REMAINDER: Lean2 = Lean2 {
    name: "remainder",
    value: |a, b| {
        let rest = libm::fmod(a, b);
        if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
            rest + b
        } else {
            rest
        }
    },
    grad_a: |grad, _, _| Ok(grad.clone()),
    grad_b: |grad, a, b| grad.mul(&a.div(b)?.floor()?.neg()?),
};

impl Var {
    /// What is left of `self` when whole `other` are taken off: `self - other · floor(self / other)`. It has the sign of `other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Exact but for one rounding; NaN where `other` is 0. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` and `-grad_out · floor(self / other)`, summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.remainder`.
    pub fn remainder(&self, other: &Self) -> Result<Self> {
        lean2(REMAINDER, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("remainder", remainder, [Values::REAL; 2], |x, y| x - y
        * (x / y).floor())
    .kinked()
    .draw(draw_parts)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_45_operands_are_broadcast_and_the_sign_is_the_divisors() {
        let x = constant(&[7.5_f64, -7.5], [2, 1]);
        let y = constant(&[2.0_f64, -2.0, 8.0], 3);
        let rest = x.remainder(&y).unwrap();
        assert_eq!(rest.dims(), [2, 3]);
        assert_eq!(values(&rest), [1.5, -0.5, 7.5, 0.5, -1.5, 0.5]);
        let mask = x.logical_and(&constant(&[1_i64, 0, 1], 3)).unwrap();
        assert_eq!(
            mask.to_vec::<bool>().unwrap(),
            [true, false, true, true, false, true]
        );
    }
}
