//! Inverse hyperbolic cosines.

use crate::ops::support::lean::{Lean, lean};
use crate::ops::support::unary::{Keeps, chain_var};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ACOSH: Lean = Lean {
    name: "acosh",
    value: |x, _| libm::acosh(x),
    keeps: Some(Keeps::Input),
    grad: |grad, x, _| {
        let (below, above) = (x.add_scalar(-1.0)?, x.add_scalar(1.0)?);
        chain_var(grad, &below.mul(&above)?.rsqrt()?)
    },
};

impl Var {
    /// The inverse hyperbolic cosine of each element; NaN below 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / √(x² - 1)`; a zero `grad_out` stays 0 at `x = 1`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.acosh`.
    pub fn acosh(&self) -> Result<Self> {
        lean(ACOSH, [0.0; 3], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("acosh", acosh, Values::between(1.2, 4.0), |x| (x
        + (x * x - 1.0).sqrt())
    .ln())
}
