//! Least squares.

use super::inv::reference as inverse;
use super::qr::QrMode;
use super::solve_triangular::widened;
use crate::ops::support::matrix::{parts, transposed};
use crate::ops::support::matrix_cases::{matrices, transposed as swapped};
use crate::registry::{Args, Attr, AttrType, Dense, Kind, OpSpec};
use crate::{DType, Error, Result, Tensor, Var};

impl Var {
    /// The solution `X` of least `‖self · X - other‖`, and of the least norm among several: `(solution, residuals)`.
    ///
    /// The residuals are the squares of these norms for systems of more equations than unknowns, else empty.
    ///
    /// # Shapes
    /// `(…, M, N)` and `(…, M, K)` to `(…, N, K)` and `(…, K)` or `(0,)`; batch dims broadcast. `other` is taken as vectors if it has the
    /// batch dims of `self` and M.
    ///
    /// # Numerics
    /// By QR, in f64; f32 is widened and rounded. Only for matrices of full rank.
    ///
    /// # Gradient
    /// That of QR and of the triangular system, which save their results.
    ///
    /// # Errors
    /// [`Error::Matrix`] with the first matrix that is not of full rank; [`Error::Rank`], [`Error::ShapeMismatch`],
    /// [`Error::DTypeMismatch`], [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let a = Var::from(Tensor::from_slice(&[1.0_f64, 1.0, 1.0], [3, 1])?);
    /// let b = Var::from(Tensor::from_slice(&[1.0_f64, 2.0, 6.0], [3, 1])?);
    /// let (x, residuals) = a.lstsq(&b)?;
    /// assert!((x.item::<f64>()? - 3.0).abs() < 1e-12 && (residuals.item::<f64>()? - 14.0).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As the first two results of `torch.linalg.lstsq` with any of its drivers.
    pub fn lstsq(&self, other: &Self) -> Result<(Self, Self)> {
        let (_, [m, n]) = parts("lstsq", self.shape())?;
        if other.rank() + 1 == self.rank() && other.dims() == &self.dims()[..other.rank()] {
            let (x, residuals) = self.lstsq(&other.unsqueeze(-1)?)?;
            let residuals = if m > n {
                residuals.squeeze(-1)?
            } else {
                residuals
            };
            return Ok((x.squeeze(-1)?, residuals));
        }
        let (_, [rows, _]) = parts("lstsq", other.shape())?;
        if m != rows {
            return Err(Error::ShapeMismatch {
                op: "lstsq",
                lhs: *self.shape(),
                rhs: *other.shape(),
                rule: "the right-hand sides have as many elements as the matrix rows",
            });
        }
        let [a, b] = widened("lstsq", self, other)?;
        if m < n {
            // Aᵀ = Q R, and X = Q R⁻ᵀ B is the solution in the space of the rows.
            let (q, r) = transposed(&a)?.qr(QrMode::Reduced)?;
            require_full_rank(&r, n)?;
            let x = transposed(&r)?.solve_triangular(&b, false, true, false)?;
            let none = Self::constant(Tensor::zeros([0], self.dtype())?);
            return Ok((q.matmul(&x)?, none));
        }
        let (q, r) = a.qr(QrMode::Reduced)?;
        require_full_rank(&r, m)?;
        let right = transposed(&q)?.matmul(&b)?;
        let x = r.solve_triangular(&right, true, true, false)?;
        if m == n {
            let none = Self::constant(Tensor::zeros([0], self.dtype())?);
            return Ok((x, none));
        }
        let residuals = a.matmul(&x)?.sub(&b)?.square()?.sum(&[-2], false)?;
        Ok((x, residuals))
    }
}

/// Refuses a factor `r` with a diagonal element that is 0 but for the rounding of its dtype: the solution would be noise.
fn require_full_rank(r: &Var, longer: usize) -> Result<()> {
    let diagonals = r.tensor().diagonal(0, -2, -1)?;
    let size = diagonals.dims().last().copied().unwrap_or(0).max(1);
    let all: Vec<f64> = diagonals.to_dtype(DType::F64)?.to_vec()?;
    let epsilon = match r.dtype() {
        DType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    for (position, diagonal) in all.chunks(size).enumerate() {
        let largest = diagonal.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let least = largest * epsilon * longer as f64;
        if diagonal.iter().any(|x| x.abs() <= least) {
            return Err(Error::Matrix {
                op: "lstsq",
                position,
                what: "not of full rank",
            });
        }
    }
    Ok(())
}

/// Its registration. The driver changes nothing for matrices of full rank, nor does `rcond`.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("lstsq", |a| {
        let (x, residuals) = a.var("x")?.lstsq(a.var("y")?)?;
        Ok(vec![x, residuals])
    })
    .many()
    .small_only()
    .kinked()
    .tolerances(5e-4, 1e-10) // the square of a condition of up to 4
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("rcond", AttrType::Float, Attr::None)
    .attr("driver", AttrType::Text, Attr::None)
    .reference(|a| {
        let (x, mut y) = (a.dense("x")?, a.dense("y")?);
        let vector = y.rank() + 1 == x.rank();
        if vector {
            y.dims.push(1);
        }
        let (m, n) = (x.dims[x.rank() - 2], x.dims[x.rank() - 1]);
        let xt = swapped(&x);
        let pinv = match m >= n {
            true => inverse(&xt.matmul(&x)).matmul(&xt),
            false => xt.matmul(&inverse(&x.matmul(&xt))),
        };
        let mut solution = pinv.matmul(&y);
        let mut residuals = Dense::zeros(&[0]);
        if m > n {
            let off = x.matmul(&solution).zip(&y, |a, b| (a - b) * (a - b));
            residuals = off.reduce(&[x.rank() - 2], false, |each| each.iter().sum());
        }
        if vector {
            solution.dims.pop();
            if m > n {
                residuals.dims.pop();
            }
        }
        Ok(vec![solution, residuals])
    })
    .draw(|d| {
        let x = matrices(d, 0..=1, [1, 3], Some([1, 3]))?;
        let before = &x.dims()[..x.rank() - 1];
        let y = match d.below(3) {
            0 => before.to_vec(),
            _ => [before, &[d.range(1..=2)]].concat(),
        };
        Ok(Args::new().with("x", x.clone()).with("y", d.reals(&y)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_matrices_without_full_rank() {
        let x = constant(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [3, 2]);
        let got = x.lstsq(&constant(&[1.0; 3], [3, 1]));
        assert!(matches!(got, Err(Error::Matrix { .. })), "{got:?}");
        let third = 1.0 / 3.0;
        let x = constant(&[third, 1.0, 1.0, 3.0, 2.0 * third, 2.0], [3, 2]).to_dtype(DType::F32);
        let got = x
            .unwrap()
            .lstsq(&Var::constant(Tensor::zeros([3, 1], DType::F32).unwrap()));
        assert!(matches!(got, Err(Error::Matrix { .. })), "{got:?}");
        let x = constant(&[1.0; 3], [3, 1]);
        let got = x.lstsq(&constant(&[1.0; 2], [2, 1]));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
