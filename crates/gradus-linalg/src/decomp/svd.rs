//! Singular values and vectors.

use faer::dyn_stack::MemStack;
use faer::linalg::svd::{ComputeSvdVectors, svd as decompose, svd_scratch};
use faer::{Col, Mat, Par};

use super::{Failure, all_finite, buffer, matrix, store};

/// `u · diag(s) · vt = a` `(m, n)`: `u` is `(m, k)`, `s` of `min(m, n)` values from the largest on, `vt` `(l, n)`; `k` and `l` are
/// `min(m, n)`, or `m` and `n` if `full`.
///
/// # Errors
/// [`Failure::NotFinite`], [`Failure::NoConvergence`].
pub fn svd(
    u: &mut [f64],
    s: &mut [f64],
    vt: &mut [f64],
    a: &[f64],
    [m, n]: [usize; 2],
    full: bool,
) -> Result<(), Failure> {
    let least = m.min(n);
    let (k, l) = if full { (m, n) } else { (least, least) };
    let (mut left, mut right) = (Mat::zeros(m, k), Mat::zeros(n, l));
    let vectors = match full {
        true => ComputeSvdVectors::Full,
        false => ComputeSvdVectors::Thin,
    };
    run(s, a, [m, n], vectors, Some((&mut left, &mut right)))?;
    store(u, left.as_ref());
    store(vt, right.as_ref().transpose());
    Ok(())
}

/// The singular values of `a` `(m, n)`, from the largest on.
///
/// # Errors
/// As [`svd`].
pub fn singular_values(s: &mut [f64], a: &[f64], dims: [usize; 2]) -> Result<(), Failure> {
    run(s, a, dims, ComputeSvdVectors::No, None)
}

fn run(
    s: &mut [f64],
    a: &[f64],
    [m, n]: [usize; 2],
    vectors: ComputeSvdVectors,
    out: Option<(&mut Mat<f64>, &mut Mat<f64>)>,
) -> Result<(), Failure> {
    if !all_finite(a) {
        return Err(Failure::NotFinite);
    }
    // Scaled by a power of two, so that squares neither overflow nor vanish.
    let scale = power_of_two(a);
    let mut a = matrix(a, m, n);
    let mut values: Col<f64> = Col::zeros(s.len());
    for j in 0..n {
        for i in 0..m {
            a[(i, j)] /= scale;
        }
    }
    let size = svd_scratch::<f64>(m, n, vectors, vectors, Par::Seq, Default::default());
    let mut memory = buffer(size);
    let (u, v) = match out {
        Some((u, v)) => (Some(u.as_mut()), Some(v.as_mut())),
        None => (None, None),
    };
    decompose(
        a.as_ref(),
        values.as_diagonal_mut(),
        u,
        v,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| Failure::NoConvergence)?;
    for (i, s) in s.iter_mut().enumerate() {
        *s = values[i] * scale;
    }
    Ok(())
}

/// The power of two near the largest element; 1 if there is none, or where it needs no scaling.
pub(super) fn power_of_two(a: &[f64]) -> f64 {
    let largest = a.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if largest == 0.0 || (1e-100..1e100).contains(&largest) {
        return 1.0;
    }
    let exponent = largest.log2().floor().clamp(-1000.0, 1000.0);
    exponent.exp2()
}
