//! The complement of the error function.

use std::f64::consts::FRAC_2_SQRT_PI;

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::{erf_series, unary_spec};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ERFC: Lean = Lean {
    name: "erfc",
    value: |x, _| libm::erfc(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.mul(&x.square()?.neg()?.exp()?.mul_scalar(-FRAC_2_SQRT_PI)?),
};

impl Var {
    /// The complement of the error function: `1 - erf(x)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64. Keeps its digits in the tail.
    ///
    /// # Gradient
    /// `-grad_out · 2/√π · e^(-x²)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.erfc`.
    pub fn erfc(&self) -> Result<Self> {
        lean(ERFC, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("erfc", erfc, Values::REAL, |x| 1.0 - erf_series(x))
}
