//! Logarithms to base 2.

use std::f64::consts::LOG2_E;

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const LOG2: Lean = Lean {
    name: "log2",
    value: |x, _| libm::log2(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| chain_var(grad, &x.reciprocal()?.mul_scalar(LOG2_E)?),
};

impl Var {
    /// The logarithm of each element to base 2: -∞ at 0, NaN below.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (x ln 2)`; a zero `grad_out` stays 0 at `x = 0`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.log2`.
    pub fn log2(&self) -> Result<Self> {
        lean(LOG2, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("log2", log2, Values::POSITIVE, f64::log2)
}
