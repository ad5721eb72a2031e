//! Softsign.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const SOFTSIGN: Lean = Lean {
    name: "softsign",
    value: |x, _| x / (1.0 + x.abs()),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| grad.div(&x.abs()?.add_scalar(1.0)?.square()?),
};

impl Var {
    /// `x / (1 + |x|)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (1 + |x|)²`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.softsign`.
    pub fn softsign(&self) -> Result<Self> {
        lean(SOFTSIGN, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("softsign", softsign, Values::NONZERO, |x| x
        / (1.0 + x.abs()))
}
