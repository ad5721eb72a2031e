//! Inverse hyperbolic sines.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ASINH: Lean = Lean {
    name: "asinh",
    value: |x, _| libm::asinh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.mul(&x.square()?.add_scalar(1.0)?.rsqrt()?),
};

impl Var {
    /// The inverse hyperbolic sine of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / √(x² + 1)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.asinh`.
    pub fn asinh(&self) -> Result<Self> {
        lean(ASINH, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("asinh", asinh, Values::REAL, |x| (x + (x * x + 1.0).sqrt())
        .ln())
}
