//! Hyperbolic cosines.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const COSH: Lean = Lean {
    name: "cosh",
    value: |x, _| libm::cosh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.mul(&x.sinh()?),
};

impl Var {
    /// The hyperbolic cosine of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sinh(x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.cosh`.
    pub fn cosh(&self) -> Result<Self> {
        lean(COSH, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("cosh", cosh, Values::REAL, f64::cosh)
}
