//! Logic: and.

use gradus_tensor::Tensor;

use crate::ops::support::compare::logic;
use crate::registry::templates::{draw_numbers, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where both are true.
    ///
    /// # Shapes
    /// Any two that broadcast; the mask has the broadcast shape.
    ///
    /// # Numerics
    /// Any dtypes; any number but 0 is true, NaN too.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if they do not broadcast.
    ///
    /// As `torch.logical_and`.
    pub fn logical_and(&self, other: &Self) -> Result<Tensor> {
        logic("logical_and", self.tensor(), other.tensor(), |a, b| a && b)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("logical_and", |a| {
        Ok(plain(a.var("x")?.logical_and(a.var("y")?)?))
    })
    .input("x", Kind::Any)
    .input("y", Kind::Any)
    .not_differentiable()
    .reference(|a| {
        let both = a
            .dense("x")?
            .zip(&a.dense("y")?, |x, y| f64::from(x != 0.0 && y != 0.0));
        Ok(vec![both])
    })
    .draw(draw_numbers)
}
