//! Products of two batches of matrices.

use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Error, Result, Var};

/// Refuses what is no batch of matrices.
pub(super) fn require_rank(op: &'static str, x: &Var, rank: usize) -> Result<()> {
    if x.rank() == rank {
        return Ok(());
    }
    Err(Error::Rank {
        op,
        expected: rank,
        got: *x.shape(),
    })
}

impl Var {
    /// Products of the matrices of two batches; unlike [`Var::matmul`] without broadcasting.
    ///
    /// # Shapes
    /// `(B, M, K) · (B, K, N) -> (B, M, N)`.
    ///
    /// # Numerics, gradient
    /// As [`Var::matmul`].
    ///
    /// # Errors
    /// [`Error::Rank`] if not of rank 3; [`Error::ShapeMismatch`] if B or K differ; [`Error::DTypeMismatch`], [`Error::DType`].
    ///
    /// As `torch.bmm`.
    pub fn bmm(&self, mat2: &Self) -> Result<Self> {
        require_rank("bmm", self, 3)?;
        require_rank("bmm", mat2, 3)?;
        if self.dims()[0] != mat2.dims()[0] {
            return Err(Error::ShapeMismatch {
                op: "bmm",
                lhs: *self.shape(),
                rhs: *mat2.shape(),
                rule: "the numbers of matrices must be equal; matmul broadcasts them",
            });
        }
        self.matmul(mat2)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("bmm", |a| Ok(one(a.var("x")?.bmm(a.var("mat2")?)?)))
        .input("x", Kind::Float)
        .input("mat2", Kind::Float)
        .reference(|a| Ok(vec![a.dense("x")?.matmul(&a.dense("mat2")?)]))
        .draw(|d| {
            let dims = d.shape(3..=3, 1..=3);
            let n = d.range(1..=3);
            let other = [dims[0], dims[2], n];
            let args = Args::new().with("x", d.reals(&dims)?);
            Ok(args.with("mat2", d.reals(&other)?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_batches_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [1, 2, 3]);
        let got = x.bmm(&constant(&BOTH_SIGNS, [3, 2]));
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        let got = x.bmm(&constant(&[1.0; 12], [2, 3, 2]));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
