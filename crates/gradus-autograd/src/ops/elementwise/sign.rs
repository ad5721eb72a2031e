//! Signs.

use crate::ops::support::lean::{Lean, lean, no_slope};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const SIGN: Lean = Lean {
    name: "sign",
    value: |x, _| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
    keeps: None,
    grad: no_slope,
};

impl Var {
    /// The sign of each element: -1, 0 or 1; 0 for NaN.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact. f32 or f64.
    ///
    /// # Gradient
    /// 0 everywhere, also at the steps. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.sign`.
    pub fn sign(&self) -> Result<Self> {
        lean(SIGN, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sign", sign, Values::NONZERO, f64::signum).kinked()
}
