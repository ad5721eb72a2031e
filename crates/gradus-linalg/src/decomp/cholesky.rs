//! The Cholesky factor of a symmetric matrix.

use faer::Par;
use faer::dyn_stack::MemStack;
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};

use super::{Failure, buffer, matrix};

/// `dst = L` with `L · Lᵀ = a`, lower triangular with zeros above; only the lower triangle of `a` `(n, n)` is read.
///
/// # Errors
/// [`Failure::NotPositiveDefinite`].
pub fn cholesky(dst: &mut [f64], a: &[f64], n: usize) -> Result<(), Failure> {
    let mut l = matrix(a, n, n);
    let mut memory = buffer(cholesky_in_place_scratch::<f64>(
        n,
        Par::Seq,
        Default::default(),
    ));
    cholesky_in_place(
        l.as_mut(),
        Default::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| Failure::NotPositiveDefinite)?;
    for i in 0..n {
        for j in 0..n {
            dst[i * n + j] = if j <= i { l[(i, j)] } else { 0.0 };
        }
    }
    // A NaN passes for a pivot, and comes out again.
    match (0..n).all(|i| dst[i * n + i] > 0.0) {
        true => Ok(()),
        false => Err(Failure::NotPositiveDefinite),
    }
}
