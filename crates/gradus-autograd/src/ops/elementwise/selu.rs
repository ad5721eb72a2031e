//! Scaled exponential linear units.

use super::elu::Elu;
use crate::ops::support::unary::unary;
use crate::ops::support::{FLOATS, require_dtype};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

/// The fixed point of mean 0 and variance 1.
const ALPHA: f64 = 1.673_263_242_354_377_2;
/// The slope above 0.
const SCALE: f64 = 1.050_700_987_355_480_5;

impl Var {
    /// The exponential linear unit that keeps mean 0 and variance 1: `1.0507 · elu(x, 1.6733)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// `e^x - 1` without loss near 0. f32 or f64.
    ///
    /// # Gradient
    /// `1.0507 · grad_out` where `x > 0`, else `grad_out · 1.7581 · e^x`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.selu`. Klambauer et al. 2017, arXiv:1706.02515.
    pub fn selu(&self) -> Result<Self> {
        require_dtype("selu", self.tensor(), FLOATS)?;
        let selu = Elu {
            alpha: ALPHA,
            steep: 1.0,
            scale: SCALE,
        };
        unary(selu, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("selu", selu, Values::NONZERO, |x| {
        SCALE * if x > 0.0 { x } else { ALPHA * (x.exp() - 1.0) }
    })
}
