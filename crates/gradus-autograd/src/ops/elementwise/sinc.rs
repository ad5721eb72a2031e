//! The normalised cardinal sine.

use std::f64::consts::PI;

use crate::ops::support::lean::{Lean, lean, passed, replaced};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const SINC: Lean = Lean {
    name: "sinc",
    value: |x, _| {
        if x == 0.0 {
            1.0
        } else {
            libm::sin(PI * x) / (PI * x)
        }
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| {
        let apart = replaced(x, |x, _| x == 0.0, 1.0)?;
        let slope = apart
            .mul_scalar(PI)?
            .cos()?
            .sub(&apart.sinc()?)?
            .div(&apart)?;
        passed(&grad.mul(&slope)?, x, [0.0; 3], |x, _| x != 0.0)
    },
};

impl Var {
    /// The normalised cardinal sine: `sin(πx) / (πx)`, and 1 at 0.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (cos(πx) - sinc(x)) / x`, and 0 at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.sinc`.
    pub fn sinc(&self) -> Result<Self> {
        lean(SINC, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sinc", sinc, Values::NONZERO, |x| (PI * x).sin() / (PI * x))
}
