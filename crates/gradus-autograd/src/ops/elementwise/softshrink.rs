//! Soft shrinkage.

use crate::ops::support::lean::{Lean, lean, passed};
use crate::ops::support::require;
use crate::ops::support::unary::Keeps;
use crate::registry::templates::{draw_attrs, unary_attrs_spec};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const SOFTSHRINK: Lean = Lean {
    name: "softshrink",
    value: |x, [lambd, ..]| {
        if x.abs() <= lambd {
            x * 0.0
        } else {
            x - lambd.copysign(x)
        }
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, attrs| passed(grad, x, attrs, |x, [lambd, ..]| x.abs() > lambd),
};

impl Var {
    /// `x` brought nearer to 0 by `lambd`, and 0 where it is no farther. PyTorch's default `lambd` is 0.5.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// One rounding; NaN stays. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`, and 0 where `|x| <= lambd`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `lambd` is not at least 0; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.softshrink`.
    pub fn softshrink(&self, lambd: f64) -> Result<Self> {
        require(lambd >= 0.0, "softshrink", "lambd", "at least 0", lambd)?;
        lean(SOFTSHRINK, [lambd, 0.0, 0.0], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_attrs_spec!(
        "softshrink",
        softshrink(lambd = 0.5),
        |x: f64, lambd| match x {
            x if x > lambd => x - lambd,
            x if x < -lambd => x + lambd,
            _ => 0.0,
        },
        |d| draw_attrs(
            d,
            Values::REAL.away(&[-1.0, -0.5, 0.0, 0.5, 1.0]),
            ["lambd"],
            &[[0.5], [1.0], [0.0]]
        )
    )
    .kinked()
}
