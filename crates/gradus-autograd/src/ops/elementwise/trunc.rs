//! Rounding towards 0.

use crate::ops::support::lean::{Lean, lean, no_slope};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const TRUNC: Lean = Lean {
    name: "trunc",
    value: |x, _| x.trunc(),
    keeps: None,
    grad: no_slope,
};

impl Var {
    /// Each element without its fraction.
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
    /// As `torch.trunc`.
    pub fn trunc(&self) -> Result<Self> {
        lean(TRUNC, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "trunc",
        trunc,
        Values::REAL.away(&[-2.0, -1.0, 0.0, 1.0, 2.0]),
        f64::trunc
    )
    .kinked()
}
