//! Inverse hyperbolic tangents.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ATANH: Lean = Lean {
    name: "atanh",
    value: |x, _| libm::atanh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| {
        let (below, above) = (x.neg()?.add_scalar(1.0)?, x.add_scalar(1.0)?);
        chain_var(grad, &below.mul(&above)?.reciprocal()?)
    },
};

impl Var {
    /// The inverse hyperbolic tangent of each element: ±∞ at ±1, NaN beyond.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / (1 - x²)`; a zero `grad_out` stays 0 at `x = ±1`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.atanh`.
    pub fn atanh(&self) -> Result<Self> {
        lean(ATANH, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("atanh", atanh, Values::between(-0.9, 0.9), |x| 0.5
        * ((1.0 + x) / (1.0 - x)).ln())
}
