//! Orthogonal and upper triangular factors.

use faer::dyn_stack::MemStack;
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::qr::no_pivoting::factor::{
    qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::{Conj, Mat, Par};

use super::{buffer, matrix, store};

/// `q · r = a` `(m, n)`: the first `k` columns of Q in `q` `(m, k)`, unless empty, and R in `r` `(k, n)`; `k` is `min(m, n)` or `m`.
pub fn qr(q: &mut [f64], r: &mut [f64], a: &[f64], [m, n]: [usize; 2], k: usize) {
    let least = m.min(n);
    let mut factors = matrix(a, m, n);
    let block = recommended_block_size::<f64>(m, n);
    let mut coefficients: Mat<f64> = Mat::zeros(block, least);
    let size = qr_in_place_scratch::<f64>(m, n, block, Par::Seq, Default::default());
    let mut memory = buffer(size);
    if least > 0 {
        qr_in_place(
            factors.as_mut(),
            coefficients.as_mut(),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        );
    }
    for i in 0..k {
        for j in 0..n {
            r[i * n + j] = if i <= j { factors[(i, j)] } else { 0.0 };
        }
    }
    if q.is_empty() {
        return;
    }
    let mut product: Mat<f64> = Mat::identity(m, k);
    if least > 0 {
        let size =
            apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(m, block, k);
        let mut memory = buffer(size);
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            factors.as_ref().subcols(0, least),
            coefficients.as_ref(),
            Conj::No,
            product.as_mut(),
            Par::Seq,
            MemStack::new(&mut memory),
        );
    }
    store(q, product.as_ref());
}
