//! Masks of finite elements.

use gradus_tensor::Tensor;

use crate::ops::support::lean::test_any;
use crate::registry::templates::{draw_number, plain};
use crate::registry::{Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where an element is neither infinite nor NaN.
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
    /// As `torch.isfinite`.
    pub fn isfinite(&self) -> Result<Tensor> {
        test_any(self.tensor(), f64::is_finite)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("isfinite", |a| Ok(plain(a.var("x")?.isfinite()?)))
        .input("x", Kind::Any)
        .not_differentiable()
        .reference(|a| {
            Ok(vec![a.dense("x")?.map(|x| {
                f64::from(x > f64::NEG_INFINITY && x < f64::INFINITY)
            })])
        })
        .draw(draw_number)
}
