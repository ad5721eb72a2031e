//! Logarithms to base 10.

use std::f64::consts::LOG10_E;

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const LOG10: Lean = Lean {
    name: "log10",
    value: |x, _| libm::log10(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| chain_var(grad, &x.reciprocal()?.mul_scalar(LOG10_E)?),
};

impl Var {
    /// The logarithm of each element to base 10: -∞ at 0, NaN below.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (x ln 10)`; a zero `grad_out` stays 0 at `x = 0`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.log10`.
    pub fn log10(&self) -> Result<Self> {
        lean(LOG10, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("log10", log10, Values::POSITIVE, f64::log10)
}
