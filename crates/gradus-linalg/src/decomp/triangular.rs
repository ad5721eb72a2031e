//! Systems with a triangular matrix.

use faer::Par;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place,
    solve_unit_upper_triangular_in_place, solve_upper_triangular_in_place,
};

use super::{Failure, matrix, view_mut};

/// Which part of a matrix is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triangle {
    /// The upper triangle, not the lower.
    pub upper: bool,
    /// The diagonal is taken as ones and not read.
    pub unit: bool,
}

/// `dst = a⁻¹ · b` for the triangle of `a` `(n, n)`; `b` and `dst` are `(n, columns)`.
///
/// # Errors
/// [`Failure::Singular`] if an element of the diagonal is 0.
pub fn solve_triangular(
    dst: &mut [f64],
    a: &[f64],
    b: &[f64],
    [n, columns]: [usize; 2],
    triangle: Triangle,
) -> Result<(), Failure> {
    if !triangle.unit && (0..n).any(|i| a[i * n + i] == 0.0) {
        return Err(Failure::Singular);
    }
    if n == 0 || columns == 0 {
        return Ok(());
    }
    let (a, mut x) = (matrix(a, n, n), matrix(b, n, columns));
    let (a, rhs) = (a.as_ref(), x.as_mut());
    match (triangle.upper, triangle.unit) {
        (false, false) => solve_lower_triangular_in_place(a, rhs, Par::Seq),
        (false, true) => solve_unit_lower_triangular_in_place(a, rhs, Par::Seq),
        (true, false) => solve_upper_triangular_in_place(a, rhs, Par::Seq),
        (true, true) => solve_unit_upper_triangular_in_place(a, rhs, Par::Seq),
    }
    view_mut(dst, n, columns).copy_from(x);
    Ok(())
}
