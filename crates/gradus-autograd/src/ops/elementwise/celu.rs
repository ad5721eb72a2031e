//! Continuously differentiable exponential linear units.

use super::elu::Elu;
use crate::ops::support::unary::unary;
use crate::ops::support::{FLOATS, require, require_dtype};
use crate::registry::templates::{draw_attrs, unary_attrs_spec};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

impl Var {
    /// `x` where it is above 0, else `alpha · (e^(x/alpha) - 1)`: of slope 1 at 0 for any `alpha`. PyTorch's default is 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// `e^x - 1` without loss near 0. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > 0`, else `grad_out · e^(x/alpha)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `alpha` is 0 or not finite; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.celu`. Barron 2017, arXiv:1704.07483.
    pub fn celu(&self, alpha: f64) -> Result<Self> {
        let fits = alpha != 0.0 && alpha.is_finite();
        require(fits, "celu", "alpha", "a finite number but 0", alpha)?;
        require_dtype("celu", self.tensor(), FLOATS)?;
        let celu = Elu {
            alpha,
            steep: 1.0 / alpha,
            scale: 1.0,
        };
        unary(celu, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_attrs_spec!(
        "celu",
        celu(alpha = 1.0),
        |x: f64, alpha: f64| x.max(0.0) + (alpha * ((x / alpha).exp() - 1.0)).min(0.0),
        |d| draw_attrs(d, Values::NONZERO, ["alpha"], &[[1.0], [1.3], [0.5]])
    )
}
