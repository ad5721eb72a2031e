//! Powers of matrices.

use gradus_tensor::Tensor;

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

/// Refuses what is no batch of square matrices; gives their size.
pub(super) fn square(op: &'static str, x: &Var) -> Result<usize> {
    match *x.dims() {
        [.., m, n] if m == n => Ok(n),
        [.., _, _] => Err(Error::ShapeMismatch {
            op,
            lhs: *x.shape(),
            rhs: *x.shape(),
            rule: "matrices must be square",
        }),
        _ => Err(Error::Rank {
            op,
            expected: 2,
            got: *x.shape(),
        }),
    }
}

/// Unit matrices of the shape and dtype of `x`, whose matrices are of size `n`.
pub(super) fn units(x: &Var, n: usize) -> Result<Var> {
    Var::constant(Tensor::eye(n, x.dtype())?).expand(x.shape())
}

impl Var {
    /// The matrices multiplied `n` times by themselves; unit matrices for 0, inverses for negative powers.
    ///
    /// # Shapes
    /// `(…, N, N)`; the result has the same.
    ///
    /// # Numerics
    /// By squaring. f32 or f64.
    ///
    /// # Gradient
    /// That of the products. Saves them.
    ///
    /// # Errors
    /// [`Error::Rank`], [`Error::ShapeMismatch`] if not square; [`Error::Matrix`] for a negative power of a singular one; [`Error::DType`].
    ///
    /// As `torch.linalg.matrix_power`.
    pub fn matrix_power(&self, n: i64) -> Result<Self> {
        let size = square("matrix_power", self)?;
        let mut base = if n < 0 { self.inv()? } else { self.clone() };
        let mut left = n.unsigned_abs();
        let mut power: Option<Self> = None;
        while left > 0 {
            if left & 1 == 1 {
                power = Some(match power {
                    Some(power) => power.matmul(&base)?,
                    None => base.clone(),
                });
            }
            left >>= 1;
            if left > 0 {
                base = base.matmul(&base)?;
            }
        }
        power.map_or_else(|| units(self, size), Ok)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("matrix_power", |a| {
        Ok(one(a.var("x")?.matrix_power(a.int("n")?)?))
    })
    .small_only()
    .tolerances(1e-3, 1e-10) // seven factors, whose entries cancel
    .kinked()
    .input("x", Kind::Float)
    .required("n", AttrType::Int)
    .reference(|a| {
        let (x, n) = (a.dense("x")?, a.int("n")?);
        let rank = x.rank();
        let unit = |at: &[usize]| f64::from(at[rank - 1] == at[rank - 2]);
        let mut power = Dense::from_fn(&x.dims, unit);
        let base = if n < 0 { super::inv::reference(&x) } else { x };
        for _ in 0..n.unsigned_abs() {
            power = power.matmul(&base);
        }
        Ok(vec![power])
    })
    .draw(|d| {
        let x = crate::ops::support::matrix_cases::matrices(d, 0..=1, [1, 3], None)?;
        Ok(Args::new().with("x", x).attr("n", d.int(-3..=5)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn powers_at_the_ends_of_the_numbers() {
        let x = constant(&[-1.0], [1, 1]);
        assert_eq!(values(&x.matrix_power(i64::MAX).unwrap()), [-1.0]);
        assert_eq!(values(&x.matrix_power(i64::MIN).unwrap()), [1.0]);
        let got = constant(&BOTH_SIGNS, [2, 3]).matrix_power(2);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
