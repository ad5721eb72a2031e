//! Eigenvalues and eigenvectors of symmetric matrices.

use faer::dyn_stack::MemStack;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Col, Mat, Par};

use super::svd::power_of_two;
use super::{Failure, all_finite, buffer, store};

/// The eigenvalues of the symmetric matrix of which one triangle of `a` `(n, n)` is read, ascending, and the eigenvectors as columns
/// of `vectors` `(n, n)`, unless empty.
///
/// # Errors
/// [`Failure::NotFinite`] for an element of that triangle, [`Failure::NoConvergence`].
pub fn eigh(
    values: &mut [f64],
    vectors: &mut [f64],
    a: &[f64],
    n: usize,
    upper: bool,
) -> Result<(), Failure> {
    if n == 0 {
        return Ok(());
    }
    let element = |i: usize, j: usize| {
        let (low, high) = (i.min(j), i.max(j));
        if upper {
            a[low * n + high]
        } else {
            a[high * n + low]
        }
    };
    let read: Vec<f64> = (0..n * n).map(|at| element(at / n, at % n)).collect();
    if !all_finite(&read) {
        return Err(Failure::NotFinite);
    }
    let scale = power_of_two(&read);
    let a: Mat<f64> = Mat::from_fn(n, n, |i, j| read[i * n + j] / scale);
    let wanted = match vectors.is_empty() {
        true => ComputeEigenvectors::No,
        false => ComputeEigenvectors::Yes,
    };
    let mut u: Mat<f64> = match wanted {
        ComputeEigenvectors::No => Mat::zeros(0, 0),
        ComputeEigenvectors::Yes => Mat::zeros(n, n),
    };
    let mut s: Col<f64> = Col::zeros(n);
    let params = Default::default();
    let mut memory = buffer(self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, params));
    self_adjoint_evd(
        a.as_ref(),
        s.as_diagonal_mut(),
        (!vectors.is_empty()).then(|| u.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    )
    .map_err(|_| Failure::NoConvergence)?;
    for (i, value) in values.iter_mut().enumerate() {
        *value = s[i] * scale;
    }
    if !vectors.is_empty() {
        store(vectors, u.as_ref());
    }
    Ok(())
}
