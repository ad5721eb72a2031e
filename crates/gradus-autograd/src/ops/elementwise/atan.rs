//! Arc tangents.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ATAN: Lean = Lean {
    name: "atan",
    value: |x, _| libm::atan(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.div(&x.square()?.add_scalar(1.0)?),
};

impl Var {
    /// The arc tangent of each element, in -π/2..=π/2.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (1 + x²)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.atan`.
    pub fn atan(&self) -> Result<Self> {
        lean(ATAN, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("atan", atan, Values::REAL, f64::atan)
}
