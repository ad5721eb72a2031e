//! Powers of 2.

use std::f64::consts::LN_2;

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const EXP2: Lean = Lean {
    name: "exp2",
    value: |x, _| libm::exp2(x),
    keeps: Some(Keeps::Output),
    grad: |grad, y, _| grad.mul(&y.mul_scalar(LN_2)?),
};

impl Var {
    /// 2 to the power of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · y · ln 2`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.exp2`.
    pub fn exp2(&self) -> Result<Self> {
        lean(EXP2, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("exp2", exp2, Values::REAL, f64::exp2)
}
