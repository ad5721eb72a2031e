//! Matrix times vector with a fixed order of summation: `dst = A · x`, memory-bound, one pass over `A`.
//!
//! faer's own path takes heads and tails by the address of its operands; here the order depends on the shape alone.

use super::mat::{Accum, Raw};
use crate::float::Float;
use crate::simd::dispatch;

/// Independent partial sums of a dot product: eight 256-bit or four 512-bit f32 registers hide the latency of an FMA.
const LANES: usize = 64;
/// Rows summed together when the matrix is stored by columns; their partial sums stay in L1.
const ROWS: usize = 256;

/// `dst[i] (+)= Σ_k a[i, k] · x[k]` where the columns of `a` and `x` have stride 1.
///
/// # Safety
/// `a` is readable as `(m, k)`, `x` as `k` elements at stride 1, `dst` writable as `m` elements at stride `dst.rs`.
pub(super) unsafe fn by_rows<T: Float>(
    dst: Raw<T>,
    accum: Accum,
    a: Raw<T>,
    x: Raw<T>,
    [m, k]: [usize; 2],
) {
    // SAFETY: the caller says that x has k readable elements at stride 1.
    let x = unsafe { std::slice::from_raw_parts(x.ptr, k) };
    dispatch(
        #[inline(always)]
        || {
            for i in 0..m {
                // SAFETY: row i of a has k readable elements at stride 1.
                let row = unsafe { std::slice::from_raw_parts(a.at(i, 0).ptr, k) };
                let sum = dot(row, x);
                let place = dst.at(i, 0).ptr;
                // SAFETY: i < m, so the place is one of dst's m elements.
                unsafe {
                    *place = if accum == Accum::Add {
                        *place + sum
                    } else {
                        sum
                    }
                };
            }
        },
    );
}

/// `Σ a[k] · b[k]` in [`LANES`] interleaved partial sums combined by a fixed tree.
#[inline(always)]
fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    let mut acc = [T::ZERO; LANES];
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for l in 0..LANES {
            acc[l] = x[l].mul_add(y[l], acc[l]);
        }
    }
    for (l, (&x, &y)) in a_tail.iter().zip(b_tail).enumerate() {
        acc[l] = x.mul_add(y, acc[l]);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            acc[l] = acc[l] + acc[l + width];
        }
        width /= 2;
    }
    acc[0]
}

/// `dst[i] (+)= Σ_k a[i, k] · x[k]` where the rows of `a` have stride 1; `k` is walked in order.
///
/// # Safety
/// `a` is readable as `(m, k)`, `x` as `k` elements at stride `x.rs`, `dst` writable as `m` elements at stride `dst.rs`.
pub(super) unsafe fn by_columns<T: Float>(
    dst: Raw<T>,
    accum: Accum,
    a: Raw<T>,
    x: Raw<T>,
    [m, k]: [usize; 2],
) {
    dispatch(
        #[inline(always)]
        || {
            let mut sums = [T::ZERO; ROWS];
            for start in (0..m).step_by(ROWS) {
                let rows = ROWS.min(m - start);
                let sums = &mut sums[..rows];
                sums.fill(T::ZERO);
                let mut p = 0;
                while p < k {
                    let width = 4.min(k - p);
                    let column = |c: usize| {
                        // SAFETY: column p + c < k of a holds m ≥ start + rows readable elements at stride 1.
                        unsafe { std::slice::from_raw_parts(a.at(start, p + c).ptr, rows) }
                    };
                    // SAFETY: p + c < k, so the element is one of x's k.
                    let scale = |c: usize| unsafe { *x.at(p + c, 0).ptr };
                    if width == 4 {
                        let (c0, c1, c2, c3) = (column(0), column(1), column(2), column(3));
                        let (x0, x1, x2, x3) = (scale(0), scale(1), scale(2), scale(3));
                        for i in 0..rows {
                            let sum = c0[i].mul_add(x0, sums[i]);
                            let sum = c1[i].mul_add(x1, sum);
                            sums[i] = c3[i].mul_add(x3, c2[i].mul_add(x2, sum));
                        }
                    } else {
                        for c in 0..width {
                            let (column, scale) = (column(c), scale(c));
                            for i in 0..rows {
                                sums[i] = column[i].mul_add(scale, sums[i]);
                            }
                        }
                    }
                    p += width;
                }
                for (i, &sum) in sums.iter().enumerate() {
                    let place = dst.at(start + i, 0).ptr;
                    // SAFETY: start + i < m, so the place is one of dst's m elements.
                    unsafe {
                        *place = if accum == Accum::Add {
                            *place + sum
                        } else {
                            sum
                        }
                    };
                }
            }
        },
    );
}
