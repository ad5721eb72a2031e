//! Triangular factors of a matrix with its rows exchanged.

use faer::dyn_stack::MemStack;
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::triangular_solve::{
    solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Mat, Par};

use super::{Failure, buffer, matrix, view_mut};

/// `P · a = L · U`, where row `rows[i]` of the matrix is row `i` of the product.
#[derive(Debug)]
pub struct Lu {
    factors: Mat<f64>,
    rows: Vec<usize>,
    exchanges: usize,
}

/// The factors of `a` `(m, n)`, by partial pivoting.
pub fn lu(a: &[f64], m: usize, n: usize) -> Lu {
    let mut factors = matrix(a, m, n);
    let (mut rows, mut inverse) = (vec![0_usize; m], vec![0; m]);
    let size = lu_in_place_scratch::<usize, f64>(m, n, Par::Seq, Default::default());
    let mut memory = buffer(size);
    let (info, _) = lu_in_place(
        factors.as_mut(),
        &mut rows,
        &mut inverse,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    );
    Lu {
        factors,
        rows,
        exchanges: info.transposition_count,
    }
}

impl Lu {
    /// The diagonal of U.
    fn pivots(&self) -> impl Iterator<Item = f64> {
        let least = self.factors.nrows().min(self.factors.ncols());
        (0..least).map(|i| self.factors[(i, i)])
    }

    /// Whether a pivot is 0. What follows it in the factors is not meaningful then.
    pub fn is_singular(&self) -> bool {
        self.pivots().any(|pivot| pivot == 0.0)
    }

    /// The sign of the determinant and the natural logarithm of its absolute value: 0 and -∞ if singular.
    pub fn log_determinant(&self) -> (f64, f64) {
        if self.is_singular() {
            return (0.0, f64::NEG_INFINITY);
        }
        let sign: f64 = self.pivots().map(f64::signum).product();
        let log = self.pivots().map(|pivot| pivot.abs().ln()).sum();
        (sign * self.parity(), log)
    }

    /// The determinant; 0 if singular.
    pub fn determinant(&self) -> f64 {
        if self.is_singular() {
            return 0.0;
        }
        self.pivots().product::<f64>() * self.parity()
    }

    /// -1 for an odd number of exchanges of rows, else 1.
    fn parity(&self) -> f64 {
        if self.exchanges % 2 == 1 { -1.0 } else { 1.0 }
    }

    /// `dst = a⁻¹ · b`; both are `(n, columns)`, row-major.
    ///
    /// # Errors
    /// [`Failure::Singular`].
    pub fn solve(&self, dst: &mut [f64], b: &[f64], columns: usize) -> Result<(), Failure> {
        let n = self.rows.len();
        if self.is_singular() {
            return Err(Failure::Singular);
        }
        for (i, &row) in self.rows.iter().enumerate() {
            dst[i * columns..][..columns].copy_from_slice(&b[row * columns..][..columns]);
        }
        if columns > 0 && n > 0 {
            let factors = self.factors.as_ref();
            let mut x = Mat::from_fn(n, columns, |i, j| dst[i * columns + j]);
            solve_unit_lower_triangular_in_place(factors, x.as_mut(), Par::Seq);
            solve_upper_triangular_in_place(factors, x.as_mut(), Par::Seq);
            view_mut(dst, n, columns).copy_from(x);
        }
        Ok(())
    }
}
