//! Tanhshrink.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const TANHSHRINK: Lean = Lean {
    name: "tanhshrink",
    value: |x, _| x - libm::tanh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.mul(&x.tanh()?.square()?),
};

impl Var {
    /// `x - tanh(x)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · tanh(x)²`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.tanhshrink`.
    pub fn tanhshrink(&self) -> Result<Self> {
        lean(TANHSHRINK, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("tanhshrink", tanhshrink, Values::REAL, |x| x - x.tanh())
}
