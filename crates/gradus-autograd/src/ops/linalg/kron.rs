//! The Kronecker product.

use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Blocks: every element of `self` times `other`.
    ///
    /// # Shapes
    /// The sizes of both multiplied, dim by dim; the shorter shape gets ones in front. Up to rank 4.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both alike.
    ///
    /// # Gradient
    /// The sums of `grad_out` times the other operand. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::RankTooHigh`] above rank 4; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`]; [`crate::Error::Overflow`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 10.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.kron(&y)?.tensor().to_vec::<f32>()?, [1.0, 2.0, 10.0, 20.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.kron`.
    pub fn kron(&self, other: &Self) -> Result<Self> {
        let rank = self.rank().max(other.rank());
        let wide = |x: &Self, first: usize| {
            let mut dims = vec![1; 2 * rank];
            for (i, &size) in x.dims().iter().enumerate() {
                dims[2 * (rank - x.rank() + i) + first] = size;
            }
            x.reshape(dims)
        };
        let product = wide(self, 0)?.mul(&wide(other, 1)?)?;
        let pairs = product.dims().chunks_exact(2);
        let dims: Vec<usize> = pairs.map(|pair| pair[0] * pair[1]).collect();
        product.reshape(dims)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("kron", |a| Ok(one(a.var("x")?.kron(a.var("y")?)?)))
        .small_only()
        .input("x", Kind::Float)
        .input("y", Kind::Float)
        .reference(|a| {
            let (mut x, mut y) = (a.dense("x")?, a.dense("y")?);
            let rank = x.rank().max(y.rank());
            for z in [&mut x, &mut y] {
                while z.rank() < rank {
                    z.dims.insert(0, 1);
                }
            }
            let dims: Vec<usize> = (0..rank).map(|i| x.dims[i] * y.dims[i]).collect();
            Ok(vec![Dense::from_fn(&dims, |at| {
                let own: Vec<usize> = (0..rank).map(|i| at[i] / y.dims[i]).collect();
                let other: Vec<usize> = (0..rank).map(|i| at[i] % y.dims[i]).collect();
                x.at(&own) * y.at(&other)
            })])
        })
        .draw(|d| {
            let (x, y) = (d.shape(0..=3, 1..=3), d.shape(0..=3, 1..=2));
            Ok(Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_more_dims_than_there_may_be() {
        let x = constant(&[1.0], [1; 5]);
        assert!(matches!(x.kron(&x), Err(crate::Error::RankTooHigh { .. })));
    }
}
