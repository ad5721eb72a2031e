//! Rounding up.

use crate::ops::support::lean::{Lean, lean, no_slope};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const CEIL: Lean = Lean {
    name: "ceil",
    value: |x, _| x.ceil(),
    keeps: None,
    grad: no_slope,
};

impl Var {
    /// The smallest whole number that is not below each element.
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
    /// As `torch.ceil`.
    pub fn ceil(&self) -> Result<Self> {
        lean(CEIL, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "ceil",
        ceil,
        Values::REAL.away(&[-2.0, -1.0, 0.0, 1.0, 2.0]),
        f64::ceil
    )
    .kinked()
}
