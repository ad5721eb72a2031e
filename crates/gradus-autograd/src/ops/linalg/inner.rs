//! Scalar products along the last dims.

use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The scalar products of all pairs of vectors along the last dims; a scalar multiplies everything.
    ///
    /// # Shapes
    /// `(A…, K)` and `(B…, K)` to `(A…, B…)`; with a scalar the other's shape.
    ///
    /// # Numerics, gradient
    /// As [`Var::matmul`].
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if the last dims differ; [`crate::Error::DTypeMismatch`], [`crate::Error::DType`].
    ///
    /// As `torch.inner`.
    pub fn inner(&self, other: &Self) -> Result<Self> {
        if self.rank() == 0 || other.rank() == 0 {
            return self.mul(other);
        }
        let (last, others) = (self.dims()[self.rank() - 1], other.dims()[other.rank() - 1]);
        if last != others {
            return Err(crate::Error::ShapeMismatch {
                op: "inner",
                lhs: *self.shape(),
                rhs: *other.shape(),
                rule: "the last dims must be equal",
            });
        }
        self.tensordot(other, &[-1], &[-1])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("inner", |a| Ok(one(a.var("x")?.inner(a.var("y")?)?)))
        .small_only()
        .input("x", Kind::Float)
        .input("y", Kind::Float)
        .reference(|a| {
            let (x, y) = (a.dense("x")?, a.dense("y")?);
            if x.rank() == 0 || y.rank() == 0 {
                return Ok(vec![x.zip(&y, |x, y| x * y)]);
            }
            let (of_x, of_y) = (x.rank() - 1, y.rank() - 1);
            let dims = [&x.dims[..of_x], &y.dims[..of_y]].concat();
            Ok(vec![Dense::from_fn(&dims, |at| {
                let (i, j) = at.split_at(of_x);
                let term = |k: usize| x.at(&[i, &[k]].concat()) * y.at(&[j, &[k]].concat());
                (0..x.dims[of_x]).map(term).sum()
            })])
        })
        .draw(|d| {
            let x = d.any_shape();
            let mut y = d.shape(0..=2, 1..=3);
            if let (Some(last), Some(&own)) = (y.last_mut(), x.last()) {
                *last = own;
            }
            Ok(Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_last_dims_that_differ() {
        let got = constant(&BOTH_SIGNS, [2, 3]).inner(&constant(&[1.0], 1));
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
