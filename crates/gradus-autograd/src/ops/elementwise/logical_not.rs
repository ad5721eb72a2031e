//! Logic: not.

use gradus_tensor::Tensor;

use crate::ops::support::compare::not;
use crate::registry::templates::{draw_number, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where an element is false: where it is 0.
    ///
    /// # Shapes
    /// Any; the mask has the same.
    ///
    /// # Numerics
    /// Any dtype; any number but 0 is true, NaN too.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// As `torch.logical_not`.
    pub fn logical_not(&self) -> Result<Tensor> {
        not(self.tensor())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("logical_not", |a| Ok(plain(a.var("x")?.logical_not()?)))
        .input("x", Kind::Any)
        .not_differentiable()
        .reference(|a| Ok(vec![a.dense("x")?.map(|x| f64::from(x == 0.0))]))
        .draw(draw_number)
}
