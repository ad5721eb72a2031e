//! Reductions over any set of axes of a tensor of any strides: sum, mean, product, extremes, sums of squares and magnitudes.
//!
//! Sums of f32 and f64 are accumulated in f64 throughout (one rounding to f32 at the end), so a sum of 5·10⁷ elements is
//! right to the last place of f32 (museum 50, 51). Order: a run in memory goes to 16 fixed lanes that are combined as
//! a tree; long reductions are cut into blocks by shape only, and the blocks combined in order. So the bits depend on
//! values, shape and strides, never on threads.
//!
//! Rules: the sum of nothing is 0, the product 1, the mean NaN, the maximum -∞ (ops refuse the last); NaN anywhere in
//! a group makes its result NaN, also for `max` and `min` (museum 54).

use gradus_tensor::View;

use crate::float::Float;
use crate::reader::{BLOCK, Dims, Reader, step};
use crate::scratch::with_scratch;
use crate::simd::{LANES, dispatch};
use crate::threads::{Rows, for_each_chunk_mut, for_each_split};

/// Elements read by one parallel task.
///
/// Measured (2 cores Zen 3, AVX2, f32 sum, inside the pool): 65536 elements in two tasks lose 1 %, 256000 gain 1.7x.
const CHUNK: usize = 65_536;
/// With this many outputs or tiles there is work for all threads without cutting the reduced axes.
const PLENTY: usize = 16;
/// Columns that are accumulated together: accumulators and four rows stay in the first-level cache.
const TILE: usize = 512;

/// One way to accumulate.
pub(crate) trait Fold<T>: Copy + Send + Sync {
    type Acc: Float;
    const INIT: Self::Acc;
    fn push(acc: Self::Acc, x: T) -> Self::Acc;
    fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc;
}

#[derive(Clone, Copy)]
struct Sum;
#[derive(Clone, Copy)]
struct SumOfSquares;
#[derive(Clone, Copy)]
struct SumOfMagnitudes;
#[derive(Clone, Copy)]
struct Product;
#[derive(Clone, Copy)]
pub(crate) struct Maximum;
#[derive(Clone, Copy)]
pub(crate) struct Minimum;

impl<T: Float> Fold<T> for Sum {
    type Acc = f64;
    const INIT: f64 = 0.0;
    #[inline(always)]
    fn push(acc: f64, x: T) -> f64 {
        acc + x.to_f64()
    }
    #[inline(always)]
    fn merge(a: f64, b: f64) -> f64 {
        a + b
    }
}

impl<T: Float> Fold<T> for SumOfSquares {
    type Acc = f64;
    const INIT: f64 = 0.0;
    #[inline(always)]
    fn push(acc: f64, x: T) -> f64 {
        x.to_f64().mul_add(x.to_f64(), acc)
    }
    #[inline(always)]
    fn merge(a: f64, b: f64) -> f64 {
        a + b
    }
}

impl<T: Float> Fold<T> for SumOfMagnitudes {
    type Acc = f64;
    const INIT: f64 = 0.0;
    #[inline(always)]
    fn push(acc: f64, x: T) -> f64 {
        acc + x.to_f64().abs()
    }
    #[inline(always)]
    fn merge(a: f64, b: f64) -> f64 {
        a + b
    }
}

impl<T: Float> Fold<T> for Product {
    type Acc = f64;
    const INIT: f64 = 1.0;
    #[inline(always)]
    fn push(acc: f64, x: T) -> f64 {
        acc * x.to_f64()
    }
    #[inline(always)]
    fn merge(a: f64, b: f64) -> f64 {
        a * b
    }
}

impl<T: Float> Fold<T> for Maximum {
    type Acc = T;
    const INIT: T = T::NEG_INFINITY;
    #[inline(always)]
    fn push(acc: T, x: T) -> T {
        acc.maximum(x)
    }
    #[inline(always)]
    fn merge(a: T, b: T) -> T {
        a.maximum(b)
    }
}

/// Maximum that skips NaN: one instruction an element.
#[derive(Clone, Copy)]
pub(crate) struct MaximumOfNumbers;

impl<T: Float> Fold<T> for MaximumOfNumbers {
    type Acc = T;
    const INIT: T = T::NEG_INFINITY;
    #[inline(always)]
    fn push(acc: T, x: T) -> T {
        if x > acc { x } else { acc }
    }
    #[inline(always)]
    fn merge(a: T, b: T) -> T {
        Self::push(a, b)
    }
}

impl<T: Float> Fold<T> for Minimum {
    type Acc = T;
    const INIT: T = T::INFINITY;
    #[inline(always)]
    fn push(acc: T, x: T) -> T {
        acc.minimum(x)
    }
    #[inline(always)]
    fn merge(a: T, b: T) -> T {
        a.minimum(b)
    }
}

/// Folds a run: 16 lanes, then a tree of lanes; runs shorter than the lanes in order. Call inside `dispatch`.
#[inline(always)]
pub(crate) fn fold_slice<T: Float, F: Fold<T>>(xs: &[T]) -> F::Acc {
    if xs.len() < LANES {
        return xs.iter().fold(
            F::INIT,
            #[inline(always)]
            |acc, &x| F::push(acc, x),
        );
    }
    let mut lanes = [F::INIT; LANES];
    let mut chunks = xs.chunks_exact(LANES);
    for chunk in &mut chunks {
        for j in 0..LANES {
            lanes[j] = F::push(lanes[j], chunk[j]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = F::push(*lane, x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] = F::merge(lanes[j], lanes[j + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The axes of a reduction, kept and reduced ones merged each.
struct Plan<'a, T> {
    data: &'a [T],
    origin: isize,
    kept: Dims,
    reduced: Dims,
}

impl<'a, T: Float> Plan<'a, T> {
    /// Reduced axes may be walked in any order: they are sorted by stride, and reversed ones walked forward.
    fn new(x: &View<'a, T>, axes: &[usize]) -> Self {
        let mut origin = x.offset() as isize;
        let pairs = || {
            x.shape()
                .iter()
                .copied()
                .zip(x.strides().iter().copied())
                .enumerate()
        };
        let kept = Dims::merge(
            pairs()
                .filter(|(axis, _)| !axes.contains(axis))
                .map(|(_, pair)| pair),
        );
        let mut reduced = [(1_usize, 0_isize); gradus_tensor::MAX_RANK];
        for (slot, (_, (dim, stride))) in reduced
            .iter_mut()
            .zip(pairs().filter(|(axis, _)| axes.contains(axis)))
        {
            if stride < 0 {
                origin += stride * (dim as isize - 1);
            }
            *slot = (dim, stride.abs());
        }
        reduced.sort_by_key(|&(_, stride)| std::cmp::Reverse(stride));
        Self {
            data: x.data(),
            origin,
            kept,
            reduced: Dims::merge(reduced),
        }
    }

    fn outputs(&self) -> Reader<'a, T> {
        Reader::of(self.data, self.kept, self.origin)
    }
}

/// `dst[k] = finish(fold of x[k, r] over all r)`
fn reduce<T: Float, F: Fold<T>>(
    dst: &mut [T],
    x: View<'_, T>,
    axes: &[usize],
    finish: impl Fn(F::Acc) -> T + Sync,
) {
    if x.shape().numel() == 0 {
        dst.fill(finish(F::INIT));
        return;
    }
    let plan = Plan::new(&x, axes);
    debug_assert_eq!(dst.len(), plan.kept.numel());
    if plan.reduced.rank == 0 {
        return convert::<T, F>(dst, &plan, &finish);
    }
    let (columns, column_stride) = plan.kept.inner();
    if column_stride == 1 && columns >= 4 && plan.reduced.inner().1 != 1 {
        reduce_columns::<T, F>(dst, &plan, &finish);
    } else {
        reduce_runs::<T, F>(dst, &plan, &finish);
    }
}

/// Groups of one element.
fn convert<T: Float, F: Fold<T>>(
    dst: &mut [T],
    plan: &Plan<'_, T>,
    finish: &(impl Fn(F::Acc) -> T + Sync),
) {
    for_each_split(dst, CHUNK, |start, mut d| {
        let mut reader = plan.outputs();
        reader.seek(start);
        let mut buffer = [T::default(); BLOCK];
        while !d.is_empty() {
            let n = step(d.len(), &[reader.borrowable()]);
            let (head, tail) = d.split_at_mut(n);
            let xs = reader.next(n, &mut buffer);
            head.iter_mut()
                .zip(xs)
                .for_each(|(d, &x)| *d = finish(F::push(F::INIT, x)));
            d = tail;
        }
    });
}

/// Each output folds its own elements, which lie in runs or are gathered.
fn reduce_runs<T: Float, F: Fold<T>>(
    dst: &mut [T],
    plan: &Plan<'_, T>,
    finish: &(impl Fn(F::Acc) -> T + Sync),
) {
    let n = plan.reduced.numel();
    let pieces = if dst.len() < PLENTY {
        n.div_ceil(CHUNK)
    } else {
        1
    };
    if pieces <= 1 {
        for_each_split(dst, (CHUNK / n).max(1), |start, d| {
            let mut outputs = plan.outputs();
            outputs.seek(start);
            for d in d {
                *d = finish(fold_range::<T, F>(plan, outputs.offset(), 0, n));
                outputs.advance(1);
            }
        });
        return;
    }
    with_scratch(dst.len() * pieces, |partial: &mut [F::Acc]| {
        for_each_split(&mut *partial, 1, |i, slot| {
            let mut outputs = plan.outputs();
            outputs.seek(i / pieces);
            let start = i % pieces * CHUNK;
            slot[0] = fold_range::<T, F>(plan, outputs.offset(), start, n.min(start + CHUNK));
        });
        for (d, partial) in dst.iter_mut().zip(partial.chunks_exact(pieces)) {
            *d = finish(partial.iter().fold(F::INIT, |acc, &p| F::merge(acc, p)));
        }
    });
}

/// Folds the reduced elements `start..end` of the output at `origin`.
#[inline]
fn fold_range<T: Float, F: Fold<T>>(
    plan: &Plan<'_, T>,
    origin: isize,
    start: usize,
    end: usize,
) -> F::Acc {
    if plan.reduced.is_flat() {
        let run = &plan.data[origin as usize + start..origin as usize + end];
        return dispatch(
            #[inline(always)]
            || fold_slice::<T, F>(run),
        );
    }
    let mut reader = Reader::of(plan.data, plan.reduced, origin);
    reader.seek(start);
    let mut buffer = [T::default(); BLOCK];
    let mut acc = F::INIT;
    let mut left = end - start;
    while left > 0 {
        let n = step(left, &[reader.borrowable()]);
        let run = reader.next(n, &mut buffer);
        acc = F::merge(
            acc,
            dispatch(
                #[inline(always)]
                || fold_slice::<T, F>(run),
            ),
        );
        left -= n;
    }
    acc
}

/// The innermost kept axis lies in memory in order: rows are added to a row of accumulators.
fn reduce_columns<T: Float, F: Fold<T>>(
    dst: &mut [T],
    plan: &Plan<'_, T>,
    finish: &(impl Fn(F::Acc) -> T + Sync),
) {
    let (columns, _) = plan.kept.inner();
    let rows = plan.reduced.numel();
    let tiles = dst.len() / columns * columns.div_ceil(TILE);
    let pieces = if tiles < PLENTY {
        (dst.len() * rows).div_ceil(CHUNK).min(PLENTY).min(rows)
    } else {
        1
    };
    if pieces <= 1 {
        let planes = (CHUNK / (rows * columns)).max(1);
        for_each_split(
            Rows {
                data: dst,
                width: columns,
            },
            planes,
            |first, d| {
                let mut outputs = Reader::of(plan.data, plan.kept.outer(), plan.origin);
                outputs.seek(first);
                for d in d.data.chunks_exact_mut(columns) {
                    let origin = outputs.offset();
                    for_each_chunk_mut(d, (CHUNK / rows / TILE).max(1) * TILE, |chunk, d| {
                        let first = chunk * (CHUNK / rows / TILE).max(1) * TILE;
                        for (tile, d) in d.chunks_mut(TILE).enumerate() {
                            let mut acc = [F::INIT; TILE];
                            let origin = origin + (first + tile * TILE) as isize;
                            fold_rows::<T, F>(&mut acc[..d.len()], plan, origin, 0, rows);
                            d.iter_mut().zip(acc).for_each(|(d, acc)| *d = finish(acc));
                        }
                    });
                    outputs.advance(1);
                }
            },
        );
        return;
    }
    let block = rows.div_ceil(pieces);
    with_scratch(dst.len() * pieces, |partial: &mut [F::Acc]| {
        partial.fill(F::INIT);
        for_each_split(
            Rows {
                data: &mut *partial,
                width: dst.len(),
            },
            1,
            |piece, acc| {
                let mut outputs = Reader::of(plan.data, plan.kept.outer(), plan.origin);
                let (start, end) = ((piece * block).min(rows), ((piece + 1) * block).min(rows));
                for acc in acc.data.chunks_exact_mut(columns) {
                    for (tile, acc) in acc.chunks_mut(TILE).enumerate() {
                        fold_rows::<T, F>(
                            acc,
                            plan,
                            outputs.offset() + (tile * TILE) as isize,
                            start,
                            end,
                        );
                    }
                    outputs.advance(1);
                }
            },
        );
        for (i, d) in dst.iter_mut().enumerate() {
            let partials = partial[i..].iter().step_by(partial.len() / pieces);
            *d = finish(partials.fold(F::INIT, |acc, &p| F::merge(acc, p)));
        }
    });
}

/// `acc[c] = push(acc[c], x[r, c])` for the rows `start..end`, four at a time.
fn fold_rows<T: Float, F: Fold<T>>(
    acc: &mut [F::Acc],
    plan: &Plan<'_, T>,
    origin: isize,
    start: usize,
    end: usize,
) {
    let width = acc.len();
    let (dim, stride) = plan.reduced.inner();
    if plan.reduced.rank == 1 && stride == width as isize && 2 * width <= TILE && end - start >= 64
    {
        return fold_narrow::<T, F>(
            acc,
            &plan.data[origin as usize + start * width..origin as usize + end * width],
        );
    }
    debug_assert!(dim > 0);
    let mut rows = Reader::of(plan.data, plan.reduced, origin);
    rows.seek(start);
    let mut next = || {
        let at = rows.offset() as usize;
        rows.advance(1);
        &plan.data[at..at + width]
    };
    let mut left = end - start;
    while left >= 4 {
        let (a, b, c, d) = (next(), next(), next(), next());
        dispatch(
            #[inline(always)]
            || add_four::<T, F>(acc, a, b, c, d),
        );
        left -= 4;
    }
    for _ in 0..left {
        let a = next();
        dispatch(
            #[inline(always)]
            || add_one::<T, F>(acc, a),
        );
    }
}

#[inline(always)]
fn add_one<T: Float, F: Fold<T>>(acc: &mut [F::Acc], a: &[T]) {
    for (acc, &a) in acc.iter_mut().zip(a) {
        *acc = F::push(*acc, a);
    }
}

#[inline(always)]
fn add_four<T: Float, F: Fold<T>>(acc: &mut [F::Acc], a: &[T], b: &[T], c: &[T], d: &[T]) {
    for ((((acc, &a), &b), &c), &d) in acc.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *acc = F::push(F::push(F::push(F::push(*acc, a), b), c), d);
    }
}

/// Few columns without gaps: as many rows as fit a tile are taken as one long row, and its parts combined at the end.
fn fold_narrow<T: Float, F: Fold<T>>(acc: &mut [F::Acc], xs: &[T]) {
    let width = acc.len();
    let long = TILE / width * width;
    let mut wide = [F::INIT; TILE];
    let mut chunks = xs.chunks_exact(long);
    dispatch(
        #[inline(always)]
        || {
            for chunk in &mut chunks {
                add_one::<T, F>(&mut wide[..long], chunk);
            }
        },
    );
    for part in wide[..long].chunks_exact(width) {
        acc.iter_mut()
            .zip(part)
            .for_each(|(acc, &p)| *acc = F::merge(*acc, p));
    }
    for row in chunks.remainder().chunks_exact(width) {
        add_one::<T, F>(acc, row);
    }
}

/// Sum over `axes` (sorted); `dst` is row-major over the others.
pub fn sum<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, Sum>(dst, x, axes, T::from_f64);
}

/// Mean over `axes`: the sum divided by the number of elements, both in f64. NaN of nothing.
pub fn mean<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    let n: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    reduce::<T, Sum>(dst, x, axes, |sum| T::from_f64(sum / n as f64));
}

/// Product over `axes`, in f64.
pub fn prod<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, Product>(dst, x, axes, T::from_f64);
}

/// Largest over `axes`; NaN if one is NaN.
pub fn max<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, Maximum>(dst, x, axes, |max| max);
}

/// Smallest over `axes`; NaN if one is NaN.
pub fn min<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, Minimum>(dst, x, axes, |min| min);
}

/// Sum of squares over `axes`, in f64.
pub fn sum_of_squares<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, SumOfSquares>(dst, x, axes, T::from_f64);
}

/// Root of the sum of squares over `axes`, in f64: f32 norms neither overflow nor vanish on the way.
pub fn norm<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, SumOfSquares>(dst, x, axes, |sum| T::from_f64(sum.sqrt()));
}

/// Sum of absolute values over `axes`, in f64.
pub fn sum_of_magnitudes<T: Float>(dst: &mut [T], x: View<'_, T>, axes: &[usize]) {
    reduce::<T, SumOfMagnitudes>(dst, x, axes, T::from_f64);
}

/// Sums `x` down to `dims`, a shape that broadcasts to `x`'s: the gradient of broadcasting.
///
/// Leading axes that `dims` lacks and axes where it has 1 are summed.
pub fn sum_to<T: Float>(dst: &mut [T], dims: &[usize], x: View<'_, T>) {
    debug_assert!(dims.len() <= x.shape().rank());
    let lead = x.shape().rank() - dims.len();
    let mut axes = [0; gradus_tensor::MAX_RANK];
    let mut n = 0;
    for (axis, &dim) in x.shape().iter().enumerate() {
        if axis < lead || (dims[axis - lead] == 1 && dim != 1) {
            axes[n] = axis;
            n += 1;
        }
    }
    sum(dst, x, &axes[..n]);
}

/// Sum of a slice in f64, blocks combined in order.
pub fn sum_slice<T: Float>(x: &[T]) -> f64 {
    fold_all::<T, Sum>(x)
}

/// Sum of squares of a slice in f64, blocks combined in order: for gradient norms.
pub fn sum_of_squares_slice<T: Float>(x: &[T]) -> f64 {
    fold_all::<T, SumOfSquares>(x)
}

fn fold_all<T: Float, F: Fold<T>>(x: &[T]) -> F::Acc {
    let pieces = x.len().div_ceil(CHUNK);
    with_scratch(pieces, |partial: &mut [F::Acc]| {
        for_each_split(&mut *partial, 1, |i, slot| {
            let run = &x[i * CHUNK..x.len().min((i + 1) * CHUNK)];
            slot[0] = dispatch(
                #[inline(always)]
                || fold_slice::<T, F>(run),
            );
        });
        partial.iter().fold(F::INIT, |acc, &p| F::merge(acc, p))
    })
}

#[cfg(test)]
#[path = "reduce_tests.rs"]
mod tests;
