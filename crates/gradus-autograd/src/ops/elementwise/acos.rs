//! Arc cosines.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ACOS: Lean = Lean {
    name: "acos",
    value: |x, _| libm::acos(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| {
        let (below, above) = (x.neg()?.add_scalar(1.0)?, x.add_scalar(1.0)?);
        chain_var(grad, &below.mul(&above)?.rsqrt()?.neg()?)
    },
};

impl Var {
    /// The arc cosine of each element, in 0..=π; NaN outside of -1..=1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out / √(1 - x²)`; a zero `grad_out` stays 0 at `x = ±1`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.acos`.
    pub fn acos(&self) -> Result<Self> {
        lean(ACOS, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("acos", acos, Values::between(-0.9, 0.9), f64::acos)
}
