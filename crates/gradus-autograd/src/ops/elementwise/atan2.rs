//! Angles of points.

use crate::ops::support::lean::{Lean2, lean2, replaced};
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

const ATAN2: Lean2 = Lean2 {
    name: "atan2",
    value: libm::atan2,
    grad_a: |grad, a, b| grad.mul(&b.div(&square_radius(a, b)?)?),
    grad_b: |grad, a, b| grad.mul(&a.div(&square_radius(a, b)?)?.neg()?),
};

/// `a² + b²`, and 1 at the origin.
fn square_radius(a: &Var, b: &Var) -> Result<Var> {
    replaced(&a.square()?.add(&b.square()?)?, |r, _| r == 0.0, 1.0)
}

impl Var {
    /// The angle of the point (`other`, `self`), in -π..=π.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Computed in f64, rounded once. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out · other / (self² + other²)` and `-grad_out · self / (self² + other²)`, 0 at the origin,
    /// summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.atan2`.
    pub fn atan2(&self, other: &Self) -> Result<Self> {
        lean2(ATAN2, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("atan2", atan2, [Values::FAR, Values::REAL], f64::atan2)
}
