//! Index reductions: where the largest or smallest element of each group stands.
//!
//! Rules: the first index of equal ones; NaN is larger and smaller than everything, so the first NaN is the answer
//! (as PyTorch; museum 45, 54). +0 and -0 are equal. The index counts row-major over the reduced axes.

use gradus_tensor::View;

use crate::float::Float;
use crate::reader::{BLOCK, Dims, Reader, step};
use crate::reduce::{Fold, Maximum, Minimum, fold_slice};
use crate::simd::{LANES, dispatch};
use crate::threads::{for_each_split, map_blocks};

/// Elements of one parallel task, and of one piece of a long group.
///
/// Measured for the sums of `reduce.rs`: 65536 elements in two tasks lose 1 %, 256000 gain 1.7x.
const CHUNK: usize = 65_536;

/// An element and its index in its group.
#[derive(Clone, Copy)]
struct Best<T> {
    value: T,
    index: usize,
}

/// Which of two values wins; equal ones do not.
trait Order<T: Float>: Fold<T, Acc = T> {
    fn beats(new: T, old: T) -> bool;
}

impl<T: Float> Order<T> for Maximum {
    #[inline(always)]
    fn beats(new: T, old: T) -> bool {
        (new > old) | (new.is_nan() & !old.is_nan())
    }
}

impl<T: Float> Order<T> for Minimum {
    #[inline(always)]
    fn beats(new: T, old: T) -> bool {
        (new < old) | (new.is_nan() & !old.is_nan())
    }
}

fn locate<T: Float, O: Order<T>>(dst: &mut [i64], x: View<'_, T>, axes: &[usize]) {
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
    let group = Dims::merge(
        pairs()
            .filter(|(axis, _)| axes.contains(axis))
            .map(|(_, pair)| pair),
    );
    let n: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    if n == 0 || dst.is_empty() {
        dst.fill(0);
        return;
    }
    debug_assert_eq!(dst.len() * n, x.shape().numel());
    let outputs = Reader::of(x.data(), kept, x.offset() as isize);
    if dst.len() == 1 {
        let pieces = map_blocks(n, CHUNK, |_, range| {
            scan::<T, O>(x.data(), group, outputs.offset(), range.start, range.end)
        });
        let best = pieces
            .into_iter()
            .reduce(|a, b| if O::beats(b.value, a.value) { b } else { a });
        dst[0] = best.map_or(0, |best| best.index as i64);
        return;
    }
    let columns = kept.inner().1 == 1 && group.inner().1 != 1 && u32::try_from(n).is_ok();
    let block = (CHUNK / n).max(if columns { BLOCK } else { 1 });
    for_each_split(dst, block, |start, d| {
        let mut outputs = outputs.clone();
        outputs.seek(start);
        if columns {
            return locate_columns::<T, O>(d, &mut outputs, x.data(), group, n);
        }
        for d in d {
            *d = scan::<T, O>(x.data(), group, outputs.offset(), 0, n).index as i64;
            outputs.advance(1);
        }
    });
}

/// Best of the elements `start..end` of the group at `origin`.
fn scan<T: Float, O: Order<T>>(
    data: &[T],
    group: Dims,
    origin: isize,
    start: usize,
    end: usize,
) -> Best<T> {
    let mut best = Best {
        value: O::INIT,
        index: start,
    };
    if group.is_flat() {
        let run = &data[origin as usize + start..origin as usize + end];
        for (i, part) in run.chunks(BLOCK).enumerate() {
            best = best.or::<O>(part, start + i * BLOCK);
        }
        return best;
    }
    let mut reader = Reader::of(data, group, origin);
    reader.seek(start);
    let mut buffer = [T::default(); BLOCK];
    let mut at = start;
    while at < end {
        let n = step(end - at, &[reader.borrowable()]).min(BLOCK);
        best = best.or::<O>(reader.next(n, &mut buffer), at);
        at += n;
    }
    best
}

impl<T: Float> Best<T> {
    /// The better of this and the elements of `part`, the first of which has number `at`.
    #[inline]
    fn or<O: Order<T>>(self, part: &[T], at: usize) -> Self {
        if part.len() < LANES {
            let numbered = part.iter().zip(at..);
            return numbered.fold(self, |best, (&value, index)| {
                if O::beats(value, best.value) {
                    Self { value, index }
                } else {
                    best
                }
            });
        }
        let value = dispatch(
            #[inline(always)]
            || fold_slice::<T, O>(part),
        );
        if !O::beats(value, self.value) {
            return self;
        }
        let found = part
            .iter()
            .position(|&x| x == value || (x.is_nan() && value.is_nan()));
        Self {
            value,
            index: at + found.unwrap_or(0),
        }
    }
}

/// Neighbouring outputs are neighbours in memory: a tile of them is walked row by row.
fn locate_columns<T: Float, O: Order<T>>(
    dst: &mut [i64],
    outputs: &mut Reader<'_, T>,
    data: &[T],
    group: Dims,
    n: usize,
) {
    let mut left = dst;
    while !left.is_empty() {
        let width = left.len().min(BLOCK).min(outputs.borrowable().unwrap_or(1));
        let (tile, rest) = left.split_at_mut(width);
        let mut values = [O::INIT; BLOCK];
        let values = &mut values[..width];
        let mut found = [0_u32; BLOCK];
        let found = &mut found[..width];
        let mut rows = Reader::of(data, group, outputs.offset());
        for index in 0..n {
            let row = &data[rows.offset() as usize..rows.offset() as usize + width];
            rows.advance(1);
            dispatch(
                #[inline(always)]
                || {
                    for ((d, value), &x) in found.iter_mut().zip(&mut *values).zip(row) {
                        let wins = O::beats(x, *value);
                        *value = if wins { x } else { *value };
                        *d = if wins { index as u32 } else { *d };
                    }
                },
            );
        }
        tile.iter_mut()
            .zip(found)
            .for_each(|(d, &mut index)| *d = i64::from(index));
        outputs.advance(width);
        left = rest;
    }
}

/// Index of the largest over `axes` (sorted; one axis, or several counted as one), the first of equal ones.
pub fn argmax<T: Float>(dst: &mut [i64], x: View<'_, T>, axes: &[usize]) {
    locate::<T, Maximum>(dst, x, axes);
}

/// Index of the smallest over `axes` (sorted; one axis, or several counted as one), the first of equal ones.
pub fn argmin<T: Float>(dst: &mut [i64], x: View<'_, T>, axes: &[usize]) {
    locate::<T, Minimum>(dst, x, axes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_tensor::Shape;
    use gradus_testing::{placements, reference, sample};
    use proptest::prelude::*;

    fn naive(group: &[f64], sign: f64) -> i64 {
        if let Some(nan) = group.iter().position(|x| x.is_nan()) {
            return nan as i64;
        }
        let best = group
            .iter()
            .map(|x| x * sign)
            .fold(f64::NEG_INFINITY, f64::max);
        group.iter().position(|x| x * sign == best).unwrap_or(0) as i64
    }

    fn check(dims: &[usize], axes: &[usize], levels: f64) {
        let n = dims.iter().product();
        let mut values: Vec<f64> = sample(n, 11).iter().map(|x| (x * levels).round()).collect();
        if n > 40 {
            values[n / 3] = f64::NAN;
            values[n / 2] = f64::NAN;
        }
        let groups = reference::groups(dims, &values, axes);
        for placed in placements(dims, &values, 99.0) {
            let mut got = vec![-1; groups.len()];
            argmax(&mut got, placed.view(), axes);
            let want: Vec<i64> = groups.iter().map(|g| naive(g, 1.0)).collect();
            assert_eq!(got, want, "argmax {dims:?} {axes:?} {}", placed.name);
            argmin(&mut got, placed.view(), axes);
            let want: Vec<i64> = groups.iter().map(|g| naive(g, -1.0)).collect();
            assert_eq!(got, want, "argmin {dims:?} {axes:?} {}", placed.name);
        }
    }

    /// museum 45, 54: the first of equal ones, the first NaN
    #[test]
    fn museum_45_54_ties_and_nan() {
        for (dims, axes) in [
            (&[][..], &[][..]),
            (&[9], &[0]),
            (&[600, 5], &[0]),
            (&[5, 600], &[1]),
            (&[5, 600], &[0]),
            (&[3, 4, 5, 2], &[1]),
            (&[3, 4, 5, 2], &[0, 2]),
            (&[2, 0], &[0]),
        ] {
            check(dims, axes, 2.0);
            check(dims, axes, 1000.0);
        }
        let x = [f32::NEG_INFINITY; 3];
        let mut d = [7];
        argmax(
            &mut d,
            View::contiguous(&x, Shape::new(&[3]).unwrap()).unwrap(),
            &[0],
        );
        assert_eq!(d, [0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_shape(dims in prop::collection::vec(1_usize..7, 1..5), axis in 0_usize..5) {
            check(&dims, &[axis % dims.len()], 3.0);
        }
    }

    #[test]
    fn same_for_any_number_of_threads() {
        let x: Vec<f32> = sample(300_000, 2)
            .iter()
            .map(|x| (x * 50.0).round() as f32)
            .collect();
        let run = |threads, dims: &[usize], axes: &[usize], n: usize| {
            let mut d = vec![0; n];
            let view = View::contiguous(&x, Shape::new(dims).unwrap()).unwrap();
            with_threads(threads, || argmax(&mut d, view, axes));
            d
        };
        for threads in 2..=4 {
            assert_eq!(
                run(threads, &[300_000], &[0], 1),
                run(1, &[300_000], &[0], 1)
            );
            assert_eq!(
                run(threads, &[300, 1000], &[0], 1000),
                run(1, &[300, 1000], &[0], 1000)
            );
        }
    }
}
