//! Fractions.

use crate::ops::support::lean::{Lean, lean};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const FRAC: Lean = Lean {
    name: "frac",
    value: |x, _| x - x.trunc(),
    keeps: None,
    grad: |grad, _, _| Ok(grad.clone()),
};

impl Var {
    /// The fraction of each element: `x - trunc(x)`, with the sign of `x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN for infinities. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`, also at whole numbers. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.frac`.
    pub fn frac(&self) -> Result<Self> {
        lean(FRAC, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "frac",
        frac,
        Values::REAL.away(&[-2.0, -1.0, 0.0, 1.0, 2.0]),
        f64::fract
    )
    .kinked()
}
