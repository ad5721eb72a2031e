//! Masks of inf elements.

use gradus_tensor::Tensor;

use crate::ops::support::lean::test_any;
use crate::registry::templates::{draw_number, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where an element is infinite, of either sign.
    ///
    /// # Shapes
    /// Any; the mask has the same.
    ///
    /// # Numerics
    /// Exact. Any dtype.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// As `torch.isinf`.
    pub fn isinf(&self) -> Result<Tensor> {
        test_any(self.tensor(), f64::is_infinite)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("isinf", |a| Ok(plain(a.var("x")?.isinf()?)))
        .input("x", Kind::Any)
        .not_differentiable()
        .reference(|a| Ok(vec![a.dense("x")?.map(|x| f64::from(x.abs() > f64::MAX))]))
        .draw(draw_number)
}
