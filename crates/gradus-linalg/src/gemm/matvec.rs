//! Matrix times vector with a fixed order of summation: `dst = A · x`, memory-bound, one pass over `A`.
//!
//! faer's own path takes heads and tails by the address of its operands; here the order depends on the shape alone.

use std::hint::black_box;

use super::mat::{Accum, Raw};
use crate::float::Float;
use crate::scratch::with_scratch;
use crate::simd::{dispatch, prefetch_all};

/// Independent partial sums of a dot product: eight 256-bit or four 512-bit f32 registers hide the latency of an FMA.
const LANES: usize = 64;
/// Rows summed together when the matrix is stored by columns; their partial sums stay in L1. A matrix of no more is read from end to end in
/// one stream, which memory likes best: 26 GB/s on Zen 4, where pieces of 4 KiB, or four columns at once, had 12 to 18.
pub(super) const ROWS: usize = 4096;
/// Elements of a part of such a matrix at least, which is one thread's.
const PART: usize = 1 << 18;
/// Columns summed one after another before they join the total: keeps long f32 sums accurate.
const COLUMNS: usize = 64;
/// How far ahead of the sums a column is asked for, in bytes: the sums are written between its reads, which hides it from the processor's own
/// foresight (Zen 4, of 22 GB/s without: 24 for 256 bytes, 23 for 448, 22 for 1024).
const AHEAD: usize = 256;

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
    /// Partial sums of one register, or of two.
    const WIDTH: usize = 16;
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    // Arrays that only constants index stay in registers.
    let mut sums = [[T::ZERO; WIDTH]; LANES / WIDTH];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        add_products(&mut sums, x, y);
    }
    if !a_tail.is_empty() {
        let (mut x, mut y) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        x[..a_tail.len()].copy_from_slice(a_tail);
        y[..b_tail.len()].copy_from_slice(b_tail);
        add_products(&mut sums, &x, &y);
    }
    let [mut sum, second, third, fourth] = sums;
    for l in 0..WIDTH {
        sum[l] = (sum[l] + third[l]) + (second[l] + fourth[l]);
    }
    // The tree's index varies: without this barrier the sums above would lie in memory, too.
    let mut sum = black_box(sum);
    let mut width = WIDTH / 2;
    while width > 0 {
        for l in 0..width {
            sum[l] += sum[l + width];
        }
        width /= 2;
    }
    sum[0]
}

/// `sums += x · y`, element by element.
#[inline(always)]
fn add_products<T: Float, const W: usize, const N: usize>(
    sums: &mut [[T; W]; N],
    x: &[T; LANES],
    y: &[T; LANES],
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        // Zen 4 foresees the rows of a matrix at 14 GB/s from reads alone, and at 26 if each is asked for just before.
        prefetch_all(&raw const x[r * W], W);
        for (l, sum) in sums.iter_mut().enumerate() {
            *sum = x[r * W + l].mul_add(y[r * W + l], *sum);
        }
    }
}

/// Columns of a part of a matrix of `rows` rows that is stored by columns.
pub(super) fn part_of_columns(rows: usize) -> usize {
    (PART / rows.max(1)).next_multiple_of(COLUMNS).max(COLUMNS)
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
    // Each on its own cache lines: a register that crosses from one into the next costs two accesses.
    let width = ROWS.min(m).next_multiple_of(LANES);
    with_scratch(2 * width, |space: &mut [T]| {
        let (totals, sums) = space.split_at_mut(width);
        dispatch(
            #[inline(always)]
            || {
                for start in (0..m).step_by(ROWS) {
                    let rows = ROWS.min(m - start);
                    let (totals, sums) = (&mut totals[..rows], &mut sums[..rows]);
                    totals.fill(T::ZERO);
                    for first in (0..k).step_by(COLUMNS) {
                        let columns = COLUMNS.min(k - first);
                        // SAFETY: rows from start and columns from first lie inside the operands promised by the caller.
                        unsafe { add_columns(sums, a.at(start, first), x.at(first, 0), columns) };
                        for (total, &sum) in totals.iter_mut().zip(&*sums) {
                            *total += sum;
                        }
                    }
                    for (i, &sum) in totals.iter().enumerate() {
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
    });
}

/// `sums[i] = Σ_p a[i, p] · x[p]` over a few columns of stride-1 rows.
///
/// # Safety
/// `a` is readable as `(sums.len(), columns)` with row stride 1, `x` as `columns` elements at stride `x.rs`.
#[inline(always)]
unsafe fn add_columns<T: Float>(sums: &mut [T], a: Raw<T>, x: Raw<T>, columns: usize) {
    /// Rows whose sums are read before the first of them is written: with a write between the reads the matrix
    /// comes at 23 GB/s instead of 27 (Zen 4).
    const BLOCK: usize = 64;
    let rows = sums.len();
    // SAFETY: column p < columns of a holds `rows` readable elements at stride 1.
    let column = |p: usize| unsafe { std::slice::from_raw_parts(a.at(0, p).ptr, rows) };
    // SAFETY: p < columns, so the element is one of x's.
    let scale = |p: usize| unsafe { *x.at(p, 0).ptr };
    sums.fill(T::ZERO);
    // Columns that lie behind each other are one stream of memory; pieces of longer ones come from several places at once, with fewer passes
    // over the sums. The order of the sums is the same.
    let together = if a.cs == rows as isize {
        0
    } else {
        columns / 4 * 4
    };
    for p in (0..together).step_by(4) {
        let (c0, c1, c2, c3) = (column(p), column(p + 1), column(p + 2), column(p + 3));
        let (x0, x1, x2, x3) = (scale(p), scale(p + 1), scale(p + 2), scale(p + 3));
        for i in 0..rows {
            let sum = c1[i].mul_add(x1, c0[i].mul_add(x0, sums[i]));
            sums[i] = c3[i].mul_add(x3, c2[i].mul_add(x2, sum));
        }
    }
    for p in together..columns {
        let (column, scale) = (column(p), scale(p));
        let (blocks, rest) = sums.as_chunks_mut::<BLOCK>();
        let (column_blocks, column_rest) = column.as_chunks::<BLOCK>();
        for (sums, column) in blocks.iter_mut().zip(column_blocks) {
            let mut next = *sums;
            for (sum, &a) in next.iter_mut().zip(column) {
                *sum = a.mul_add(scale, *sum);
            }
            prefetch_all(column.as_ptr().wrapping_byte_add(AHEAD), BLOCK);
            *sums = next;
        }
        for (sum, &a) in rest.iter_mut().zip(column_rest) {
            *sum = a.mul_add(scale, *sum);
        }
    }
}
