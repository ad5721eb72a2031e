//! Quotients rounded down.

use super::div::Rounding;
use crate::registry::templates::{binary_spec, draw_parts};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

impl Var {
    /// The quotient of each pair, rounded down: [`Var::div_rounded`] with [`Rounding::Floor`].
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// As if the true quotient were rounded. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// 0 for both (PyTorch has none). Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.floor_divide`.
    pub fn floor_divide(&self, other: &Self) -> Result<Self> {
        self.div_rounded(other, Rounding::Floor)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("floor_divide", floor_divide, [Values::REAL; 2], |x, y| (x
        / y)
        .floor())
    .draw(draw_parts)
}
