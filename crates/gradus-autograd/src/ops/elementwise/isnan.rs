//! Masks of nan elements.

use gradus_tensor::Tensor;

use crate::ops::support::lean::test_any;
use crate::registry::templates::{draw_number, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where an element is NaN.
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
    /// As `torch.isnan`.
    pub fn isnan(&self) -> Result<Tensor> {
        test_any(self.tensor(), f64::is_nan)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("isnan", |a| Ok(plain(a.var("x")?.isnan()?)))
        .input("x", Kind::Any)
        .not_differentiable()
        .reference(|a| Ok(vec![a.dense("x")?.map(|x| f64::from(x.is_nan()))]))
        .draw(draw_number)
}
