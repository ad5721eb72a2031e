//! The sum of a matrix's diagonal.

use super::bmm::require_rank;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The sum of a matrix's diagonal.
    ///
    /// # Shapes
    /// `(M, N)` to rank 0.
    ///
    /// # Numerics
    /// As [`Var::sum`]. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` on the diagonal. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if not of rank 2.
    ///
    /// As `torch.trace`.
    pub fn trace(&self) -> Result<Self> {
        require_rank("trace", self, 2)?;
        self.diagonal(0, 0, 1)?.sum(&[], false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("trace", |a| Ok(one(a.var("x")?.trace()?)))
        .input("x", Kind::Float)
        .reference(|a| {
            let x = a.dense("x")?;
            let least = x.dims[0].min(x.dims[1]);
            Ok(vec![Dense::scalar((0..least).map(|i| x.at(&[i, i])).sum())])
        })
        .draw(|d| {
            let dims = d.shape(2..=2, 1..=4);
            Ok(Args::new().with("x", d.reals(&dims)?))
        })
}
