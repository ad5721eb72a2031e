//! Hyperbolic sines.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const SINH: Lean = Lean {
    name: "sinh",
    value: |x, _| libm::sinh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.mul(&x.cosh()?),
};

impl Var {
    /// The hyperbolic sine of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · cosh(x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.sinh`.
    pub fn sinh(&self) -> Result<Self> {
        lean(SINH, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sinh", sinh, Values::REAL, f64::sinh)
}
