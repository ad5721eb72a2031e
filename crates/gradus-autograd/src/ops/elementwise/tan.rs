//! Tangents.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const TAN: Lean = Lean {
    name: "tan",
    value: |x, _| libm::tan(x),
    keeps: Some(Keeps::Output),
    grad: |grad, y, _| grad.mul(&y.square()?.add_scalar(1.0)?),
};

impl Var {
    /// The tangent of each element, in radians.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64. The argument is reduced exactly at any size.
    ///
    /// # Gradient
    /// `grad_out · (1 + y²)`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.tan`.
    pub fn tan(&self) -> Result<Self> {
        lean(TAN, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("tan", tan, Values::between(-1.2, 1.2), f64::tan)
}
