//! Softmax, log-softmax and log-sum-exp of the rows of a row-major `(rows, cols)` matrix, with their backward kernels.
//!
//! The row maximum is subtracted first, so scores up to the dtype's range do not overflow; exponentials are summed in
//! f64. Special rows (one rule, `docs/numerics.md`): a row of nothing but -∞ has log-sum-exp -∞, softmax 0 and
//! log-softmax -∞ everywhere, and gradient 0, never NaN (museum 23); a row with NaN or +∞ is NaN.
//! Each row is computed alone, so the bits do not depend on threads.

use std::hint::black_box;

use crate::float::Float;
use crate::reduce::{Fold, Maximum, MaximumOfNumbers, fold_slice};
use crate::simd::{LANES, dispatch, prefetch_all};
use crate::threads::{Rows, for_each_split};

/// Elements of one parallel task.
///
/// Measured (2 cores Zen 3, AVX2, f32 rows, inside the pool): 4096 elements in two tasks lose 2 %, 2097152 gain 2.0x; the
/// other core was not free for a point between them.
const CHUNK: usize = 8192;

/// Rows of a task for rows of `cols` elements.
pub(crate) fn rows_per_task(cols: usize) -> usize {
    (CHUNK / cols.max(1)).max(1)
}

/// `Σ f(x)` in f64, 16 lanes and a tree; call inside `dispatch`.
#[inline(always)]
pub(crate) fn sum_by<T: Float>(xs: &[T], f: impl Fn(T) -> T) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let mut chunks = xs.chunks_exact(PART);
    for chunk in &mut chunks {
        // two loops, so that the first is vectorised whatever `f` is
        let mut part = Aligned([T::ZERO; PART]);
        part.0.iter_mut().zip(chunk).for_each(
            #[inline(always)]
            |(p, &x)| *p = f(x),
        );
        add_lanes(&mut lanes, &part.0);
    }
    for chunk in chunks.remainder().chunks(LANES) {
        let mut part = [T::ZERO; LANES];
        part[..chunk.len()].copy_from_slice(chunk);
        part.iter_mut().for_each(
            #[inline(always)]
            |p| *p = f(*p),
        );
        part[chunk.len()..].fill(T::ZERO);
        add_lanes(&mut lanes, &part);
    }
    tree(lanes)
}

/// Elements that `sum_by` maps before it adds them: they stay in registers or the nearest cache.
const PART: usize = 64;

#[inline(always)]
fn add_lanes<T: Float>(lanes: &mut [f64; LANES], xs: &[T]) {
    for chunk in xs.chunks_exact(LANES) {
        for j in 0..LANES {
            lanes[j] += chunk[j].to_f64();
        }
    }
}

/// `dst = f(x)`, the end of the row computed as whole lanes too; call inside `dispatch`.
#[inline(always)]
pub(crate) fn map_row<T: Float>(dst: &mut [T], x: &[T], f: impl Fn(T) -> T) {
    let whole = x.len() / LANES * LANES;
    let (dst, dst_end) = dst.split_at_mut(whole);
    let (x, x_end) = x.split_at(whole);
    dst.iter_mut().zip(x).for_each(
        #[inline(always)]
        |(d, &x)| *d = f(x),
    );
    if !x_end.is_empty() {
        let mut part = [T::ZERO; LANES];
        part[..x_end.len()].copy_from_slice(x_end);
        part.iter_mut().for_each(
            #[inline(always)]
            |p| *p = f(*p),
        );
        dst_end.copy_from_slice(&part[..x_end.len()]);
    }
}

/// [`map_row`] in place; call inside `dispatch`.
#[inline(always)]
pub(crate) fn map_row_mut<T: Float>(row: &mut [T], f: impl Fn(T) -> T) {
    let whole = row.len() / LANES * LANES;
    let (row, end) = row.split_at_mut(whole);
    row.iter_mut().for_each(
        #[inline(always)]
        |x| *x = f(*x),
    );
    if !end.is_empty() {
        let mut part = [T::ZERO; LANES];
        part[..end.len()].copy_from_slice(end);
        part.iter_mut().for_each(
            #[inline(always)]
            |p| *p = f(*p),
        );
        end.copy_from_slice(&part[..end.len()]);
    }
}

/// `row = f(row)` and `Σ f(row)`, as [`map_sum_into`]; call inside `dispatch`.
#[inline(always)]
pub(crate) fn map_sum<T: Float>(row: &mut [T], f: impl Fn(T) -> T) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let mut chunks = row.chunks_exact_mut(PART);
    for chunk in &mut chunks {
        chunk.iter_mut().for_each(
            #[inline(always)]
            |x| *x = f(*x),
        );
        add_quads(&mut lanes, chunk);
    }
    let rest = chunks.into_remainder();
    map_row_mut(rest, f);
    add_rest(&mut lanes, rest);
    tree(lanes)
}

/// `dst = f(x)` and `Σ f(x)` of terms of one sign: four neighbouring registers are added as they are, their sum in f64. Asks for as much of
/// `next` meanwhile. Call inside `dispatch`.
#[inline(always)]
fn map_sum_into<T: Float>(dst: &mut [T], x: &[T], next: [*const T; 2], f: impl Fn(T) -> T) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let whole = x.len() / PART * PART;
    let (x, x_rest) = x.split_at(whole);
    let (dst, dst_rest) = dst.split_at_mut(whole);
    for (i, (d, x)) in dst
        .chunks_exact_mut(PART)
        .zip(x.chunks_exact(PART))
        .enumerate()
    {
        for next in next {
            prefetch_all(next.wrapping_add(i * PART), PART);
        }
        d.iter_mut().zip(x).for_each(
            #[inline(always)]
            |(d, &x)| *d = f(x),
        );
        add_quads(&mut lanes, d);
    }
    map_row(dst_rest, x_rest, f);
    add_rest(&mut lanes, dst_rest);
    tree(lanes)
}

/// Adds [`PART`] elements to the lanes, four registers at a time.
#[inline(always)]
fn add_quads<T: Float>(lanes: &mut [f64; LANES], part: &[T]) {
    for j in 0..LANES {
        let pairs = (
            part[j] + part[j + LANES],
            part[j + 2 * LANES] + part[j + 3 * LANES],
        );
        lanes[j] += (pairs.0 + pairs.1).to_f64();
    }
}

/// Adds less than [`PART`] elements to the lanes.
#[inline(always)]
fn add_rest<T: Float>(lanes: &mut [f64; LANES], rest: &[T]) {
    for part in rest.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x.to_f64();
        }
    }
}

/// `Σ x·y`, products and sum in f64, 16 lanes and a tree; call inside `dispatch`.
#[inline(always)]
pub(crate) fn dot<T: Float>(xs: &[T], ys: &[T]) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let (mut x, mut y) = (xs.chunks_exact(LANES), ys.chunks_exact(LANES));
    for (x, y) in (&mut x).zip(&mut y) {
        for j in 0..LANES {
            lanes[j] = x[j].to_f64().mul_add(y[j].to_f64(), lanes[j]);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x.remainder()).zip(y.remainder()) {
        *lane = x.to_f64().mul_add(y.to_f64(), *lane);
    }
    tree(lanes)
}

/// Sum of the lanes by halves.
///
/// The compiler must not see through to the loop that filled them: it would take two lanes at a time there, as the last step here does.
#[inline(always)]
pub(crate) fn tree(lanes: [f64; LANES]) -> f64 {
    let mut aligned = Aligned(lanes);
    let lanes = &mut black_box(&mut aligned).0;
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// What to take off a row with this largest number: 0 where that is -∞, so that `x - max` is -∞ and not NaN.
#[inline(always)]
fn shift_of<T: Float>(max: T) -> T {
    if max == T::NEG_INFINITY { T::ZERO } else { max }
}

/// [`shift_of`] the largest number of a row. A NaN is skipped here: it makes the row NaN through its exponential. Call inside `dispatch`.
#[inline(always)]
pub(crate) fn shift<T: Float>(row: &[T]) -> T {
    shift_of(largest(row))
}

/// The largest number of a row, -∞ if there is none; call inside `dispatch`.
#[inline(always)]
pub(crate) fn largest<T: Float>(row: &[T]) -> T {
    // Four registers side by side, so that none waits for the one before.
    let mut lanes = [[T::NEG_INFINITY; LANES]; 4];
    let (parts, rest) = row.as_chunks::<PART>();
    for part in parts {
        for (lanes, part) in lanes.iter_mut().zip(part.as_chunks::<LANES>().0) {
            for (lane, &x) in lanes.iter_mut().zip(part) {
                *lane = <MaximumOfNumbers as Fold<T>>::push(*lane, x);
            }
        }
    }
    let [mut lanes, b, c, d] = lanes;
    let larger = <MaximumOfNumbers as Fold<T>>::push;
    for j in 0..LANES {
        lanes[j] = larger(larger(lanes[j], b[j]), larger(c[j], d[j]));
    }
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] = larger(lanes[j], lanes[j + width]);
        }
        width /= 2;
    }
    if rest.is_empty() {
        return lanes[0];
    }
    larger(lanes[0], fold_slice::<T, MaximumOfNumbers>(rest))
}

/// `Σ e^(x - max)` of numbers up to `max`: powers below the least normal number count as 0. Four neighbouring registers are added as they
/// are, their sum in f64. Call inside `dispatch`.
#[inline(always)]
pub(crate) fn sum_of_powers<T: Float>(row: &[T], max: T) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let (parts, rest) = row.as_chunks::<PART>();
    for x in parts {
        add_quads(&mut lanes, &powers(x, max).0);
    }
    add_rest(&mut lanes, &powers(rest, max).0[..rest.len()]);
    tree(lanes)
}

/// On its own cache lines: a register that crosses from one into the next costs two accesses.
#[repr(align(64))]
struct Aligned<A>(A);

/// `e^(x - max)` of at most [`PART`] elements.
#[inline(always)]
fn powers<T: Float>(xs: &[T], max: T) -> Aligned<[T; PART]> {
    let mut powers = Aligned([T::ZERO; PART]);
    map_row(
        &mut powers.0[..xs.len()],
        xs,
        #[inline(always)]
        |x| (x - max).exp_nonpositive(),
    );
    powers
}

/// Elements of a row that are read for their maximum and then, from the nearest cache, for their sum.
const BLOCK: usize = 2048;

/// `(max, Σ e^(x - max))`; call inside `dispatch`.
#[inline(always)]
fn max_and_sum<T: Float>(row: &[T]) -> (T, f64) {
    let (mut max, mut sum) = (T::NEG_INFINITY, 0.0);
    for block in row.chunks(BLOCK) {
        let larger = largest(block);
        if larger > max {
            if max > T::NEG_INFINITY {
                sum *= libm::exp((max - larger).to_f64());
            }
            max = larger;
        }
        sum += sum_of_powers(block, shift_of(max));
    }
    (shift_of(max), sum)
}

fn rows<T: Float>(dst: &mut [T], x: &[T], cols: usize, f: impl Fn(&mut [T], &[T]) + Sync) {
    debug_assert_eq!(dst.len(), x.len());
    if dst.is_empty() {
        return;
    }
    let (dst, x) = (
        Rows {
            data: dst,
            width: cols,
        },
        Rows {
            data: x,
            width: cols,
        },
    );
    for_each_split((dst, x), rows_per_task(cols), |_, (dst, x)| {
        for (dst, x) in dst
            .data
            .chunks_exact_mut(cols)
            .zip(x.data.chunks_exact(cols))
        {
            f(dst, x);
        }
    });
}

fn rows2<T: Float>(
    dst: &mut [T],
    x: &[T],
    y: &[T],
    cols: usize,
    f: impl Fn(&mut [T], &[T], &[T]) + Sync,
) {
    debug_assert!(dst.len() == x.len() && dst.len() == y.len());
    if dst.is_empty() {
        return;
    }
    let (x, y) = (
        Rows {
            data: x,
            width: cols,
        },
        Rows {
            data: y,
            width: cols,
        },
    );
    let dst = Rows {
        data: dst,
        width: cols,
    };
    for_each_split((dst, x, y), rows_per_task(cols), |_, (dst, x, y)| {
        let inputs = x.data.chunks_exact(cols).zip(y.data.chunks_exact(cols));
        for (dst, (x, y)) in dst.data.chunks_exact_mut(cols).zip(inputs) {
            f(dst, x, y);
        }
    });
}

/// `dst = e^x / Σ e^x` of each row.
pub fn softmax<T: Float>(dst: &mut [T], x: &[T], cols: usize) {
    rows(dst, x, cols, |dst, x| {
        dispatch(
            #[inline(always)]
            || softmax_row(dst, x),
        )
    });
}

#[inline(always)]
fn softmax_row<T: Float>(dst: &mut [T], x: &[T]) {
    let max = shift(x);
    // The row behind this one, if there is one.
    let next = [dst.as_ptr(), x.as_ptr()].map(|row| row.wrapping_add(x.len()));
    let sum = map_sum_into(
        dst,
        x,
        next,
        #[inline(always)]
        |x| (x - max).exp_nonpositive(),
    );
    let scale = if sum == 0.0 {
        T::ZERO
    } else {
        T::from_f64(1.0 / sum)
    };
    for d in dst {
        *d *= scale;
    }
}

/// `dst = x - ln Σ e^x` of each row.
pub fn log_softmax<T: Float>(dst: &mut [T], x: &[T], cols: usize) {
    rows(dst, x, cols, |dst, x| {
        dispatch(
            #[inline(always)]
            || log_softmax_row(dst, x),
        )
    });
}

#[inline(always)]
fn log_softmax_row<T: Float>(dst: &mut [T], x: &[T]) {
    let (max, sum) = max_and_sum(x);
    let log = T::from_f64(if sum == 0.0 { 0.0 } else { libm::log(sum) });
    for (d, &x) in dst.iter_mut().zip(x) {
        *d = x - max - log;
    }
}

/// Gradient through [`softmax`]: `dst = y · (g - Σ y·g)` of each row, with `y` the output and `g` its gradient.
pub fn softmax_backward<T: Float>(dst: &mut [T], y: &[T], grad_out: &[T], cols: usize) {
    rows2(dst, y, grad_out, cols, |dst, y, g| {
        dispatch(
            #[inline(always)]
            || {
                let mean = T::from_f64(dot(y, g));
                for ((d, &y), &g) in dst.iter_mut().zip(y).zip(g) {
                    *d = y * (g - mean);
                }
            },
        );
    });
}

/// Gradient through [`log_softmax`]: `dst = g - e^y · Σ g` of each row, with `y` the output and `g` its gradient.
///
/// A row of nothing but -∞ gets 0.
pub fn log_softmax_backward<T: Float>(dst: &mut [T], y: &[T], grad_out: &[T], cols: usize) {
    rows2(dst, y, grad_out, cols, |dst, y, g| {
        dispatch(
            #[inline(always)]
            || {
                if fold_slice::<T, Maximum>(y) == T::NEG_INFINITY {
                    dst.fill(T::ZERO);
                    return;
                }
                let sum = T::from_f64(sum_by(
                    g,
                    #[inline(always)]
                    |g| g,
                ));
                for ((d, &y), &g) in dst.iter_mut().zip(y).zip(g) {
                    *d = g - y.exp() * sum;
                }
            },
        );
    });
}

/// `ln Σ e^x` of a row in f64; -∞ for nothing or nothing but -∞. Call inside `dispatch`.
#[inline(always)]
pub(crate) fn row_logsumexp<T: Float>(row: &[T]) -> f64 {
    let (max, sum) = max_and_sum(row);
    max.to_f64() + libm::log(sum)
}

/// `dst[row] = ln Σ e^x` of each row of `cols` elements; -∞ where `cols` is 0.
pub fn logsumexp<T: Float>(dst: &mut [T], x: &[T], cols: usize) {
    debug_assert_eq!(dst.len() * cols, x.len());
    if cols == 0 {
        dst.fill(T::NEG_INFINITY);
        return;
    }
    for_each_split(
        (
            dst,
            Rows {
                data: x,
                width: cols,
            },
        ),
        rows_per_task(cols),
        |_, (dst, x)| {
            for (d, row) in dst.iter_mut().zip(x.data.chunks_exact(cols)) {
                *d = T::from_f64(dispatch(
                    #[inline(always)]
                    || row_logsumexp(row),
                ));
            }
        },
    );
}

/// Gradient through [`logsumexp`]: `dst = g[row] · softmax(x)`, recomputed from `x`.
pub fn logsumexp_backward<T: Float>(dst: &mut [T], x: &[T], grad_out: &[T], cols: usize) {
    debug_assert!(dst.len() == x.len() && grad_out.len() * cols == x.len());
    if dst.is_empty() {
        return;
    }
    let (dst, x) = (
        Rows {
            data: dst,
            width: cols,
        },
        Rows {
            data: x,
            width: cols,
        },
    );
    for_each_split((dst, x, grad_out), rows_per_task(cols), |_, (dst, x, g)| {
        let inputs = x.data.chunks_exact(cols).zip(g);
        for (dst, (x, &g)) in dst.data.chunks_exact_mut(cols).zip(inputs) {
            dispatch(
                #[inline(always)]
                || {
                    softmax_row(dst, x);
                    for d in &mut *dst {
                        *d *= g;
                    }
                },
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_testing::{Real, check_close, check_same_bits, reference, sample};

    fn values<T: Float>(n: usize, salt: u64) -> (Vec<T>, Vec<f64>) {
        let x: Vec<T> = sample(n, salt)
            .into_iter()
            .map(|v| T::from_f64(v * 5.0))
            .collect();
        let exact = x.iter().map(|x| x.to_f64()).collect();
        (x, exact)
    }

    fn check<T: Float + Real>(rows: usize, cols: usize, tolerance: f64) {
        let (x, exact) = values::<T>(rows * cols, 1);
        let (g, exact_g) = values::<T>(rows * cols, 2);
        let name = format!("{rows}x{cols}");
        let p = reference::softmax(&exact, cols);
        let lse: Vec<f64> = exact.chunks(cols).map(reference::logsumexp).collect();
        let (mut y, mut l) = (vec![T::NAN; x.len()], vec![T::NAN; rows]);
        logsumexp(&mut l, &x, cols);
        check_close(&format!("logsumexp {name}"), &l, &lse, tolerance, tolerance);
        log_softmax(&mut y, &x, cols);
        let want: Vec<f64> = exact
            .iter()
            .enumerate()
            .map(|(i, x)| x - lse[i / cols])
            .collect();
        check_close(
            &format!("log_softmax {name}"),
            &y,
            &want,
            tolerance,
            tolerance,
        );
        let mut d = vec![T::NAN; x.len()];
        log_softmax_backward(&mut d, &y, &g, cols);
        let row_sum = |f: &dyn Fn(usize) -> f64, i: usize| -> f64 {
            (i / cols * cols..(i / cols + 1) * cols).map(f).sum()
        };
        let want: Vec<f64> = (0..x.len())
            .map(|i| exact_g[i] - p[i] * row_sum(&|j| exact_g[j], i))
            .collect();
        check_close(
            &format!("log_softmax backward {name}"),
            &d,
            &want,
            tolerance * 10.0,
            tolerance * 10.0,
        );
        softmax(&mut y, &x, cols);
        check_close(
            &format!("softmax {name}"),
            &y,
            &p,
            tolerance,
            tolerance * 1e-3,
        );
        softmax_backward(&mut d, &y, &g, cols);
        let want: Vec<f64> = (0..x.len())
            .map(|i| p[i] * (exact_g[i] - row_sum(&|j| p[j] * exact_g[j], i)))
            .collect();
        check_close(
            &format!("softmax backward {name}"),
            &d,
            &want,
            tolerance * 10.0,
            tolerance * 10.0,
        );
        logsumexp_backward(&mut d, &x, &g[..rows], cols);
        let want: Vec<f64> = (0..x.len()).map(|i| p[i] * exact_g[i / cols]).collect();
        check_close(
            &format!("logsumexp backward {name}"),
            &d,
            &want,
            tolerance * 10.0,
            tolerance,
        );
    }

    #[test]
    fn rows_match_reference() {
        for (rows, cols) in [(1, 1), (3, 2), (5, 10), (4, 17), (3, 1000), (200, 64)] {
            check::<f32>(rows, cols, 2e-6);
            check::<f64>(rows, cols, 1e-14);
        }
        softmax::<f32>(&mut [], &[], 0);
        log_softmax::<f32>(&mut [], &[], 5);
        let mut none = [1.0_f32; 2];
        logsumexp(&mut none, &[], 0);
        assert_eq!(none, [f32::NEG_INFINITY; 2]);
    }

    /// museum 23: rows of -∞, huge scores, and one +∞
    #[test]
    fn museum_23_special_rows() {
        let inf = f32::INFINITY;
        let mut l = [0.0];
        let (mut y, mut d) = ([9.0; 2], [9.0; 2]);
        logsumexp(&mut l, &[-inf, -inf], 2);
        assert_eq!(l, [-inf]);
        logsumexp_backward(&mut d, &[-inf, -inf], &[1.0], 2);
        assert_eq!(d, [0.0, 0.0]);
        softmax(&mut y, &[-inf, -inf], 2);
        assert_eq!(y, [0.0, 0.0]);
        log_softmax(&mut y, &[-inf, -inf], 2);
        assert_eq!(y, [-inf, -inf]);
        log_softmax_backward(&mut d, &y, &[1.0, 2.0], 2);
        assert_eq!(d, [0.0, 0.0]);
        logsumexp(&mut l, &[1e4, 1e4], 2);
        assert!((l[0] - 10_000.693).abs() < 1e-3);
        logsumexp(&mut l, &[-1e4, -1e4], 2);
        assert!((l[0] + 9_999.307).abs() < 1e-3);
        softmax(&mut y, &[inf, 0.0], 2);
        assert!(y[0].is_nan());
        softmax(&mut y, &[0.0, -inf], 2);
        assert_eq!(y, [1.0, 0.0]);
        let row = vec![f32::MAX; 512];
        let mut y = vec![0.0; 512];
        softmax(&mut y, &row, 512);
        assert!(y.iter().all(|&y| y == 1.0 / 512.0));
    }

    /// Rows of several blocks, whose maximum rises from block to block, falls, or comes late.
    #[test]
    fn long_rows_are_summed_block_by_block() {
        let cols = 2 * BLOCK + 77;
        let of = |f: &dyn Fn(usize) -> f32| (0..cols).map(f).collect::<Vec<f32>>();
        let rows = [
            of(&|i| i as f32 * 0.01),
            of(&|i| i as f32 * -0.01),
            of(&|i| (i % 97) as f32 * 0.1),
            of(&|i| if i < BLOCK { f32::NEG_INFINITY } else { 3.0 }),
            of(&|i| if i == cols - 1 { 50.0 } else { -50.0 }),
        ];
        for row in rows {
            let exact: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let mut l = [0.0];
            logsumexp(&mut l, &row, cols);
            let want = [reference::logsumexp(&exact)];
            check_close("logsumexp of blocks", &l, &want, 1e-6, 1e-6);
        }
        let mut l = [0.0];
        for (at, value) in [(3, f32::NAN), (cols - 1, f32::NAN), (3, f32::INFINITY)] {
            let mut row = vec![f32::NEG_INFINITY; cols];
            row[BLOCK] = 1.0;
            row[at] = value;
            logsumexp(&mut l, &row, cols);
            assert!(l[0].is_nan(), "{value} at {at}: {}", l[0]);
        }
        logsumexp(&mut l, &vec![f32::NEG_INFINITY; cols], cols);
        assert_eq!(l, [f32::NEG_INFINITY]);
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        let (x, _) = values::<f32>(100 * 700, 3);
        let run = |threads| {
            let (mut y, mut d) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            with_threads(threads, || {
                softmax(&mut y, &x, 700);
                softmax_backward(&mut d, &y, &x, 700);
            });
            d
        };
        let one = run(1);
        for threads in 2..=4 {
            check_same_bits("softmax", &run(threads), &one);
        }
    }
}
