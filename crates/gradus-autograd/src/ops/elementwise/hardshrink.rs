//! Hard shrinkage.

use crate::ops::support::lean::{Lean, lean, passed};
use crate::ops::support::unary::Keeps;
use crate::registry::templates::{draw_attrs, unary_attrs_spec};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const HARDSHRINK: Lean = Lean {
    name: "hardshrink",
    value: |x, [lambd, ..]| {
        if (-lambd..=lambd).contains(&x) {
            0.0
        } else {
            x
        }
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, attrs| passed(grad, x, attrs, |x, [lambd, ..]| x > lambd || x < -lambd),
};

impl Var {
    /// `x`, and 0 where `|x| <= lambd`. PyTorch's default `lambd` is 0.5.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`, and 0 where `|x| <= lambd`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.hardshrink`.
    pub fn hardshrink(&self, lambd: f64) -> Result<Self> {
        lean(HARDSHRINK, [lambd, 0.0, 0.0], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_attrs_spec!(
        "hardshrink",
        hardshrink(lambd = 0.5),
        |x: f64, lambd| if x.abs() <= lambd { 0.0 } else { x },
        |d| draw_attrs(
            d,
            Values::REAL.away(&[-1.0, -0.5, 0.5, 1.0]),
            ["lambd"],
            &[[0.5], [1.0], [0.0]]
        )
    )
    .kinked()
}
