//! Magnitudes with other signs.

use crate::ops::support::lean::{Lean2, lean2, mask2, zeros_like};
use crate::ops::support::scalar_like;
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const COPYSIGN: Lean2 = Lean2 {
    name: "copysign",
    value: f64::copysign,
    grad_a: |grad, a, b| {
        let same = |a: f64, b: f64| a.is_sign_negative() == b.is_sign_negative();
        let turned = grad.where_(&mask2(a.tensor(), b.tensor(), same)?, &grad.neg()?)?;
        let moves = mask2(a.tensor(), b.tensor(), |a, _| a != 0.0)?;
        turned.where_(&moves, &scalar_like(grad, 0.0)?)
    },
    grad_b: |grad, _, _| zeros_like(grad),
};

impl Var {
    /// The magnitude of `self` with the sign of `other`, also that of a negative 0.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Exact. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `±grad_out` by whether the signs agree, 0 where `self` is 0; 0 for `other`. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.copysign`.
    pub fn copysign(&self, other: &Self) -> Result<Self> {
        lean2(COPYSIGN, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("copysign", copysign, [Values::NONZERO; 2], f64::copysign).kinked()
}
