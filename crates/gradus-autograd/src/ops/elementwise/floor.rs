//! Rounding down.

use crate::ops::support::lean::{Lean, lean, no_slope};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const FLOOR: Lean = Lean {
    name: "floor",
    value: |x, _| x.floor(),
    keeps: None,
    grad: no_slope,
};

impl Var {
    /// The largest whole number that is not above each element.
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
    /// As `torch.floor`.
    pub fn floor(&self) -> Result<Self> {
        lean(FLOOR, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "floor",
        floor,
        Values::REAL.away(&[-2.0, -1.0, 0.0, 1.0, 2.0]),
        f64::floor
    )
    .kinked()
}
