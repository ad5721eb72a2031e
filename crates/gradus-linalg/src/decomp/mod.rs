//! Decompositions of single matrices, in f64 and row-major order, on faer.
//!
//! Everything runs on the caller's thread (batches are spread over threads by their matrices) and in memory that is aligned alike,
//! so that the bits depend on the numbers alone. f32 is not computed here: the ops widen it and round the results, which costs
//! little beside the cube of the size, gains digits, and keeps the code to be compiled half as large.

mod cholesky;
mod eigh;
mod exp;
mod lu;
mod qr;
mod svd;
mod triangular;

pub use cholesky::cholesky;
pub use eigh::eigh;
pub use exp::matrix_exp;
pub use lu::{Lu, lu};
pub use qr::qr;
pub use svd::{singular_values, svd};
pub use triangular::{Triangle, solve_triangular};

use faer::dyn_stack::{MemBuffer, StackReq};
use faer::{Mat, MatMut, MatRef};

/// Why a matrix could not be decomposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A pivot is 0.
    Singular,
    /// A pivot is not above 0, or not a number.
    NotPositiveDefinite,
    /// An element is NaN or infinite.
    NotFinite,
    /// The iteration did not end.
    NoConvergence,
}

impl Failure {
    /// What the matrix is.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Singular => "singular: a pivot is 0",
            Self::NotPositiveDefinite => "not positive definite",
            Self::NotFinite => "not finite: an element is NaN or infinite",
            Self::NoConvergence => "beyond the iteration, which did not converge",
        }
    }
}

/// A row-major slice as faer's column-major matrix, in aligned memory of its own.
fn matrix(a: &[f64], rows: usize, columns: usize) -> Mat<f64> {
    debug_assert_eq!(a.len(), rows * columns);
    Mat::from_fn(rows, columns, |i, j| a[i * columns + j])
}

/// The elements in row-major order.
fn store(dst: &mut [f64], a: MatRef<'_, f64>) {
    let columns = a.ncols();
    debug_assert_eq!(dst.len(), a.nrows() * columns);
    for (at, dst) in dst.iter_mut().enumerate() {
        *dst = a[(at / columns, at % columns)];
    }
}

/// `(rows, columns)` of a row-major slice as faer's view.
fn view_mut(a: &mut [f64], rows: usize, columns: usize) -> MatMut<'_, f64> {
    MatMut::from_row_major_slice_mut(a, rows, columns)
}

fn buffer(size: StackReq) -> MemBuffer {
    MemBuffer::new(size)
}

fn all_finite(a: &[f64]) -> bool {
    a.iter().all(|x| x.is_finite())
}

#[cfg(test)]
mod tests;
