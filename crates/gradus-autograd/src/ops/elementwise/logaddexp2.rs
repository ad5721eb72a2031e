//! Sums of powers of 2, in logarithms.

use std::f64::consts::LN_2;

use crate::ops::support::lean::{Lean2, lean2, mask2};
use crate::ops::support::scalar_like;
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const LOGADDEXP2: Lean2 = Lean2 {
    name: "logaddexp2",
    value: |a, b| {
        if a == b && a.is_infinite() {
            return a;
        }
        a.max(b) + libm::log1p(libm::exp2(-(a - b).abs())) / LN_2
    },
    grad_a: |grad, a, b| grad.mul(&ahead(a, b)?.mul_scalar(LN_2)?.sigmoid()?),
    grad_b: |grad, a, b| grad.mul(&ahead(b, a)?.mul_scalar(LN_2)?.sigmoid()?),
};

/// `a - b`, and -∞ where both are the same infinity: no share for either.
fn ahead(a: &Var, b: &Var) -> Result<Var> {
    let level = mask2(a.tensor(), b.tensor(), |a, b| a == b && a.is_infinite())?;
    scalar_like(a, f64::NEG_INFINITY)?.where_(&level, &a.sub(b)?)
}

impl Var {
    /// `log2(2^self + 2^other)`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// The larger one is taken out first, so nothing overflows; two -∞ give -∞. Computed in f64, rounded once. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` by the share of each, 0 where both are the same infinity (PyTorch: NaN),
    /// summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.logaddexp2`.
    pub fn logaddexp2(&self, other: &Self) -> Result<Self> {
        lean2(LOGADDEXP2, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("logaddexp2", logaddexp2, [Values::REAL; 2], |x, y| (x
        .exp2()
        + y.exp2())
    .log2())
}
