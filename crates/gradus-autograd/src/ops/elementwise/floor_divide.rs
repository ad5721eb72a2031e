//! Quotients rounded down.

use super::div::Rounding;
use crate::registry::templates::{draw_parts, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Tensor, Var};

impl Var {
    /// The quotient of each pair, rounded down: [`Var::div_rounded`] with [`Rounding::Floor`], without a gradient.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// As if the true quotient were rounded. f32 or f64, both operands alike.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.floor_divide`.
    pub fn floor_divide(&self, other: &Self) -> Result<Tensor> {
        let quotient = self
            .detach()
            .div_rounded(&other.detach(), Rounding::Floor)?;
        Ok(quotient.into_tensor())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("floor_divide", |a| {
        Ok(plain(a.var("x")?.floor_divide(a.var("y")?)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .not_differentiable()
    .reference(|a| {
        Ok(vec![
            a.dense("x")?.zip(&a.dense("y")?, |x, y| (x / y).floor()),
        ])
    })
    .draw(draw_parts)
}
