//! Products of all pairs of two vectors.

use super::bmm::require_rank;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Products of all pairs of elements: `out[i, j] = self[i] · other[j]`.
    ///
    /// # Shapes
    /// `(M,)` and `(N,)` to `(M, N)`.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out · other` and `grad_outᵀ · self`. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if not of rank 1; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.outer(&x)?.tensor().to_vec::<f32>()?, [1.0, 2.0, 2.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.outer`.
    pub fn outer(&self, other: &Self) -> Result<Self> {
        require_rank("outer", self, 1)?;
        require_rank("outer", other, 1)?;
        self.unsqueeze(1)?.mul(&other.unsqueeze(0)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("outer", |a| Ok(one(a.var("x")?.outer(a.var("y")?)?)))
        .small_only()
        .input("x", Kind::Float)
        .input("y", Kind::Float)
        .reference(|a| {
            let (x, y) = (a.dense("x")?, a.dense("y")?);
            let dims = [x.numel(), y.numel()];
            let product = |at: &[usize]| x.data[at[0]] * y.data[at[1]];
            Ok(vec![Dense::from_fn(&dims, product)])
        })
        .draw(|d| {
            let (x, y) = (d.shape(1..=1, 1..=4), d.shape(1..=1, 1..=4));
            Ok(Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_other_ranks() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(x.outer(&x), Err(Error::Rank { .. })));
    }
}
