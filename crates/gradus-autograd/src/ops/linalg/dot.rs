//! The scalar product of two vectors.

use super::bmm::require_rank;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The sum of the products of two vectors' elements.
    ///
    /// # Shapes
    /// `(N,)` twice to rank 0.
    ///
    /// # Numerics
    /// As [`Var::matmul`]; 0 of nothing.
    ///
    /// # Gradient
    /// `grad_out` times the other vector. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if not of rank 1; [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`].
    ///
    /// As `torch.dot`.
    pub fn dot(&self, other: &Self) -> Result<Self> {
        require_rank("dot", self, 1)?;
        require_rank("dot", other, 1)?;
        self.matmul(other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("dot", |a| Ok(one(a.var("x")?.dot(a.var("y")?)?)))
        .input("x", Kind::Float)
        .input("y", Kind::Float)
        .tolerances(5e-4, 1e-11) // a long sum of both signs
        .reference(|a| {
            let (x, y) = (a.dense("x")?, a.dense("y")?);
            Ok(vec![Dense::scalar(x.zip(&y, |x, y| x * y).sum())])
        })
        .draw(|d| {
            let dims = d.shape(1..=1, 1..=5);
            Ok(Args::new()
                .with("x", d.reals(&dims)?)
                .with("y", d.reals(&dims)?))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_other_ranks_and_lengths() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(x.dot(&x), Err(Error::Rank { .. })));
        let (x, y) = (constant(&[1.0], 1), constant(&BOTH_SIGNS, 6));
        assert!(matches!(x.dot(&y), Err(Error::ShapeMismatch { .. })));
    }
}
