//! Masks of gt.

use gradus_tensor::Tensor;

use crate::ops::support::compare::{Order, compare};
use crate::registry::templates::{draw_numbers, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where `self` is greater.
    ///
    /// # Shapes
    /// Any two that broadcast; the mask has the broadcast shape.
    ///
    /// # Numerics
    /// The numbers themselves are compared: whole numbers exactly, a float with a whole number in f64. NaN compares as false.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if they do not broadcast.
    ///
    /// As `torch.gt`.
    pub fn gt(&self, other: &Self) -> Result<Tensor> {
        compare("gt", Order::Less, other.tensor(), self.tensor())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("gt", |a| Ok(plain(a.var("x")?.gt(a.var("y")?)?)))
        .input("x", Kind::Any)
        .input("y", Kind::Any)
        .not_differentiable()
        .reference(|a| {
            Ok(vec![
                a.dense("x")?.zip(&a.dense("y")?, |x, y| f64::from(x > y)),
            ])
        })
        .draw(draw_numbers)
}
