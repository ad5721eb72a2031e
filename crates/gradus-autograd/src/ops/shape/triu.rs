//! The upper triangle of matrices.

use super::tril::{Triangle, draw, reference};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var, apply};

impl Var {
    /// Matrices with 0 below the diagonal that lies `diagonal` above (positive) or below the main one.
    ///
    /// # Shapes
    /// `(…, M, N)`; the result has the same. Any dtype.
    ///
    /// # Gradient
    /// The same triangle of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] below rank 2.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.triu(1)?.tensor().to_vec::<f32>()?, [0.0, 2.0, 0.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.triu`.
    pub fn triu(&self, diagonal: isize) -> Result<Self> {
        let (name, upper) = ("triu", true);
        apply(
            Triangle {
                name,
                upper,
                diagonal,
            },
            &[self],
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("triu", |a| {
        Ok(one(a.var("x")?.triu(a.isize("diagonal")?)?))
    })
    .input("x", Kind::Any)
    .attr("diagonal", AttrType::Int, 0)
    .reference(|a| reference(a, |offset, diagonal| offset >= diagonal))
    .draw(draw)
}
