//! Remainders with the sign of the dividend.

use crate::ops::support::lean::{Lean2, lean2};
use crate::registry::templates::{binary_spec, draw_parts};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const FMOD: Lean2 = Lean2 {
    name: "fmod",
    value: libm::fmod,
    grad_a: |grad, _, _| Ok(grad.clone()),
    grad_b: |grad, a, b| grad.mul(&a.div(b)?.trunc()?.neg()?),
};

impl Var {
    /// What is left of `self` when whole `other` are taken off: `self - other · trunc(self / other)`. It has the sign of `self`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Exact but for one rounding; NaN where `other` is 0. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` and `-grad_out · trunc(self / other)`, summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.fmod`.
    pub fn fmod(&self, other: &Self) -> Result<Self> {
        lean2(FMOD, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("fmod", fmod, [Values::REAL; 2], |x, y| x - y
        * (x / y).trunc())
    .kinked()
    .draw(draw_parts)
}
