//! Rows of a table looked up by position, summed in bags, and the gradient added back. Letters: V rows of the table, D columns,
//! K positions, B bags.
//!
//! The gradient is cut by rows of the table: each is summed by one task, in the order of the positions and in f64, so the bits do not
//! depend on threads.

use std::ops::Range;

use gradus_tensor::bf16;

use crate::float::Float;
use crate::gemm::Accum;
use crate::threads::{Rows, for_each_split};

/// Elements of one parallel task, as for the copies of other kernels (not measured apart).
const CHUNK: usize = 16_384;

fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

/// `dst (K, D)` gets the rows of `table (V, D)` at these positions.
pub fn pick_rows<T: Float>(dst: &mut [T], table: &[T], positions: &[usize], width: usize) {
    debug_assert_eq!(dst.len(), positions.len() * width);
    if dst.is_empty() {
        return;
    }
    let dst = Rows { data: dst, width };
    for_each_split(
        (dst, positions),
        rows_per_task(width),
        |_, (dst, positions)| {
            for (dst, &p) in dst.data.chunks_exact_mut(width).zip(positions) {
                dst.copy_from_slice(&table[p * width..][..width]);
            }
        },
    );
}

/// [`pick_rows`] of a table of bf16, as f32.
pub fn pick_rows_bf16(dst: &mut [f32], table: &[bf16], positions: &[usize], width: usize) {
    debug_assert_eq!(dst.len(), positions.len() * width);
    if dst.is_empty() {
        return;
    }
    let dst = Rows { data: dst, width };
    for_each_split(
        (dst, positions),
        rows_per_task(width),
        |_, (dst, positions)| {
            for (dst, &p) in dst.data.chunks_exact_mut(width).zip(positions) {
                for (d, s) in dst.iter_mut().zip(&table[p * width..][..width]) {
                    *d = s.to_f32();
                }
            }
        },
    );
}

/// Row `rows[k]` of a source, scaled by `scales[k]`, belongs to row `positions[k]` of a table.
#[derive(Clone, Copy, Debug)]
pub struct Scatter<'a> {
    /// Rows of the table, each below V.
    pub positions: &'a [usize],
    /// Rows of the source; row `k` itself if none are given.
    pub rows: Option<&'a [usize]>,
    /// Factors; 1 if none are given.
    pub scales: Option<&'a [f64]>,
}

/// `dst (V, D)` gets for each of its rows the sum of the source's rows that belong to it, in order, and 0 where none does; or to what `dst`
/// holds the sums are added, and rows without any stay as they are.
pub fn add_rows<T: Float>(
    dst: &mut [T],
    accum: Accum,
    src: &[T],
    scatter: &Scatter<'_>,
    width: usize,
) {
    if dst.is_empty() {
        return;
    }
    // where the entries of a row of the table stand in `order`: a stable counting sort
    let count = dst.len() / width;
    let mut ends = vec![0_usize; count + 1];
    scatter.positions.iter().for_each(|&p| ends[p + 1] += 1);
    for v in 0..count {
        ends[v + 1] += ends[v];
    }
    let mut order = vec![0_usize; scatter.positions.len()];
    let mut next = ends.clone();
    for (k, &p) in scatter.positions.iter().enumerate() {
        order[next[p]] = k;
        next[p] += 1;
    }
    let dst = Rows { data: dst, width };
    for_each_split(dst, rows_per_task(width), |first, dst| {
        let mut sum = vec![0.0_f64; width];
        for (i, dst) in dst.data.chunks_exact_mut(width).enumerate() {
            let entries = &order[ends[first + i]..ends[first + i + 1]];
            if entries.is_empty() {
                if accum == Accum::Replace {
                    dst.fill(T::ZERO);
                }
                continue;
            }
            sum.fill(0.0);
            for &k in entries {
                let row = scatter.rows.map_or(k, |rows| rows[k]);
                let scale = scatter.scales.map_or(1.0, |scales| scales[k]);
                for (sum, x) in sum.iter_mut().zip(&src[row * width..][..width]) {
                    *sum += scale * x.to_f64();
                }
            }
            for (dst, &sum) in dst.iter_mut().zip(&sum) {
                let sum = T::from_f64(sum);
                *dst = match accum {
                    Accum::Replace => sum,
                    Accum::Add => *dst + sum,
                };
            }
        }
    });
}

/// `dst (B, D)` gets the sums of the table's rows at each bag's positions, times `scales`, in order and in f64; 0 for an empty bag.
pub fn sum_bags<T: Float>(
    dst: &mut [T],
    table: &[T],
    positions: &[usize],
    scales: Option<&[f64]>,
    bags: &[Range<usize>],
    width: usize,
) {
    if dst.is_empty() {
        return;
    }
    let dst = Rows { data: dst, width };
    for_each_split((dst, bags), 16, |_, (dst, bags)| {
        let mut sum = vec![0.0_f64; width];
        for (dst, bag) in dst.data.chunks_exact_mut(width).zip(bags) {
            sum.fill(0.0);
            for k in bag.clone() {
                let scale = scales.map_or(1.0, |scales| scales[k]);
                for (sum, x) in sum.iter_mut().zip(&table[positions[k] * width..][..width]) {
                    *sum += scale * x.to_f64();
                }
            }
            dst.iter_mut()
                .zip(&sum)
                .for_each(|(dst, &sum)| *dst = T::from_f64(sum));
        }
    });
}

/// `dst (B, D)` gets for each bag and column the row of the table whose element is the largest: the first of equal ones, NaN wins; 0
/// for an empty bag.
pub fn argmax_bags<T: Float>(
    dst: &mut [i64],
    table: &[T],
    positions: &[usize],
    bags: &[Range<usize>],
    width: usize,
) {
    if dst.is_empty() {
        return;
    }
    let dst = Rows { data: dst, width };
    for_each_split((dst, bags), 16, |_, (dst, bags)| {
        for (dst, bag) in dst.data.chunks_exact_mut(width).zip(bags) {
            for (column, dst) in dst.iter_mut().enumerate() {
                let at = |p: usize| table[p * width + column];
                let best = positions[bag.clone()].iter().copied().reduce(|best, p| {
                    let (old, new) = (at(best), at(p));
                    let wins = new > old || new.is_nan() && !old.is_nan();
                    if wins { p } else { best }
                });
                *dst = best.unwrap_or(0) as i64;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_testing::{check_same_bits, sample};

    #[test]
    fn rows_are_added_in_order_for_any_number_of_threads() {
        let (rows, width, count) = (700, 33, 4000);
        let positions: Vec<usize> = (0..count).map(|k| k * k % rows).collect();
        let src: Vec<f32> = sample(count * width, 1).iter().map(|&x| x as f32).collect();
        let scatter = Scatter {
            positions: &positions,
            rows: None,
            scales: None,
        };
        let run = |threads| {
            let mut dst = vec![f32::NAN; rows * width];
            let accum = Accum::Replace;
            with_threads(threads, || add_rows(&mut dst, accum, &src, &scatter, width));
            dst
        };
        let mut want = vec![0.0_f64; rows * width];
        for (k, &p) in positions.iter().enumerate() {
            for c in 0..width {
                want[p * width + c] += f64::from(src[k * width + c]);
            }
        }
        let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
        for threads in [1, 2, 4] {
            check_same_bits("rows", &run(threads), &want);
        }
    }

    #[test]
    fn rows_are_added_to_what_is_there() {
        let (rows, width, positions) = (50, 7, [3, 49, 3, 0]);
        let src = sample(positions.len() * width, 1);
        let scatter = Scatter {
            positions: &positions,
            rows: None,
            scales: Some(&[1.0, -2.0, 0.5, 3.0]),
        };
        let mut sums = vec![f64::NAN; rows * width];
        add_rows(&mut sums, Accum::Replace, &src, &scatter, width);
        let before = sample(rows * width, 2);
        let mut dst = before.clone();
        add_rows(&mut dst, Accum::Add, &src, &scatter, width);
        let want: Vec<f64> = before.iter().zip(&sums).map(|(a, b)| a + b).collect();
        check_same_bits("rows", &dst, &want);
    }
}
