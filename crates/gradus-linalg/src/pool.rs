//! Pooling over `(planes, D, H, W)` and its gradients: maxima and averages of windows, which may be those of an adaptive pooling.
//! A plane is one channel of one image; images have depth 1, sequences height 1, too.
//!
//! Sizes, ceil mode and divisors are PyTorch's: a window starts inside the image or its leading padding, never wholly in the trailing
//! padding. Planes are independent, each is walked in one order: the bits are the same for any number of threads.

mod rows;
mod windows;

use crate::float::Float;
use crate::im2col::{as_f32, as_f32_mut};
use crate::scratch::SharedMut;
use crate::simd::dispatch;
use crate::threads::for_each_block;

pub use windows::{AvgDivisor, Pool, Windows};

/// Elements of one parallel block at least (from the measured 13-20 GB/s: some 5 µs; the limit itself was not
/// varied).
const MIN_BLOCK_ELEMENTS: usize = 1 << 14;

/// Calls `f(plane, its part of dst)` for each plane of `len` elements, several planes to a parallel block.
fn each_plane<T: Float>(
    dst: &mut [T],
    len: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if len == 0 {
        return;
    }
    let planes = dst.len() / len;
    let out = SharedMut::new(dst);
    for_each_block(
        planes,
        (MIN_BLOCK_ELEMENTS / work.max(1)).max(1),
        |_, range| {
            for plane in range {
                // SAFETY: each plane belongs to one block.
                f(plane, unsafe { out.range(plane * len..(plane + 1) * len) });
            }
        },
    );
}

/// Largest element of each window and where it is; `(planes, D, H, W) -> (planes, OD, OH, OW)`, all contiguous.
///
/// `places` gets the place of the winner in its plane, `(z · H + y) · W + x` (as `torch.nn.functional.max_pool2d(return_indices=True)`).
/// The first of equal elements wins; a NaN wins over all numbers (the first NaN of a window). Padding never wins;
/// a window whose taps all miss the image (dilation) gives -∞ and the place `u32::MAX`, which the gradient skips.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn max_pool<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], windows: &Windows) {
    let [planes, input, len] = windows.planes(x.len(), dst.len());
    assert_eq!(places.len(), dst.len(), "max_pool: one place per window");
    assert!(
        u32::try_from(input).is_ok(),
        "max_pool: plane too big for its places"
    );
    let (values, places) = (SharedMut::new(dst), SharedMut::new(places));
    let block = (MIN_BLOCK_ELEMENTS / input.max(1)).max(1);
    let line = match windows.are_pairs() {
        true => None,
        false => rows::suits(windows),
    };
    for_each_block(planes, block, |_, range| {
        for plane in range {
            let own = plane * len..(plane + 1) * len;
            // SAFETY: each plane belongs to one block.
            let (dst, places) = unsafe { (values.range(own.clone()), places.range(own)) };
            let x = &x[plane * input..][..input];
            match (line, as_f32(x)) {
                (Some(line), Some(x)) => {
                    if let Some(dst) = as_f32_mut(dst) {
                        rows::max_plane(dst, places, x, windows, line);
                    }
                }
                _ => max_plane(dst, places, x, windows),
            }
        }
    });
}

fn max_plane<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], windows: &Windows) {
    let [_, down, across] = windows.output();
    dispatch(
        #[inline(always)]
        || {
            if windows.are_pairs() {
                return max_plane_two_by_two(dst, places, x, windows);
            }
            let rows = dst
                .chunks_exact_mut(across)
                .zip(places.chunks_exact_mut(across));
            for (row, (dst, places)) in rows.enumerate() {
                max_row(dst, places, x, windows, [row / down, row % down]);
            }
        },
    );
}

/// Whether `new` takes the place of the leader `old`.
#[inline(always)]
fn wins<T: Float>(new: T, old: T) -> bool {
    new > old || (new.is_nan() && !old.is_nan())
}

/// Windows of 2 × 2 that are computed together.
const PAIRS: usize = 16;

/// Windows of 2 × 2 side by side.
#[inline(always)]
fn max_plane_two_by_two<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], windows: &Windows) {
    let [_, _, across] = windows.output();
    for row in 0..dst.len() / across {
        let (start, width) = windows.pairs_from(row);
        for window in (0..across).step_by(PAIRS) {
            let (first, out) = (start + 2 * window, row * across + window);
            let count = PAIRS.min(across - window);
            let (dst, places) = (&mut dst[out..], &mut places[out..]);
            // What stands behind the row is compared, too: its results are written over by those of the next row, or not kept. At the end of
            // the plane it is what stands before the row.
            let before = (first + width + 2 * PAIRS)
                .saturating_sub(x.len())
                .div_ceil(2);
            let pairs = |from: usize| x.get(from..)?.as_chunks().0.first_chunk();
            let from = first.checked_sub(2 * before);
            let rows = from.and_then(|from| Some([pairs(from)?, pairs(from + width)?]));
            let (Some(rows), Some(from)) = (rows, from) else {
                max_few_pairs(&mut dst[..count], &mut places[..count], x, first, width);
                continue;
            };
            let at = [from, from + width].map(|at| at as u32);
            match (dst.first_chunk_mut(), places.first_chunk_mut()) {
                (Some(dst), Some(places)) if before == 0 => {
                    (*dst, *places) = max_of_pairs(rows, at);
                }
                _ => {
                    let (values, found) = max_of_pairs(rows, at);
                    dst[..count].copy_from_slice(&values[before..][..count]);
                    places[..count].copy_from_slice(&found[before..][..count]);
                }
            }
        }
    }
}

/// Maxima and places of windows of two rows of pairs, which begin at places `at`.
#[inline(always)]
fn max_of_pairs<T: Float>(
    [top, bottom]: [&[[T; 2]; PAIRS]; 2],
    at: [u32; 2],
) -> ([T; PAIRS], [u32; PAIRS]) {
    let (mut values, mut places) = ([T::ZERO; PAIRS], [0; PAIRS]);
    for l in 0..PAIRS {
        let at = at.map(|at| at + 2 * l as u32);
        (values[l], places[l]) = max_of_four(top[l], bottom[l], at);
    }
    (values, places)
}

/// The first of the largest, and where it is: the rows begin at places `at`.
#[inline(always)]
fn max_of_four<T: Float>([a, b]: [T; 2], [c, d]: [T; 2], at: [u32; 2]) -> (T, u32) {
    let (right, low_right) = (wins(b, a), wins(d, c));
    let upper = if right { b } else { a };
    let lower = if low_right { d } else { c };
    let upper_at = at[0] + u32::from(right);
    let lower_at = at[1] + u32::from(low_right);
    let low = wins(lower, upper);
    (
        if low { lower } else { upper },
        if low { lower_at } else { upper_at },
    )
}

/// [`max_plane_two_by_two`] of planes that have too few elements to take as many at once.
fn max_few_pairs<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], first: usize, width: usize) {
    for (i, (dst, place)) in dst.iter_mut().zip(places).enumerate() {
        let at = [first + 2 * i, first + 2 * i + width];
        let [top, bottom] = at.map(|at| [x[at], x[at + 1]]);
        (*dst, *place) = max_of_four(top, bottom, at.map(|at| at as u32));
    }
}

#[inline(always)]
fn max_row<T: Float>(
    dst: &mut [T],
    places: &mut [u32],
    x: &[T],
    windows: &Windows,
    [oz, oy]: [usize; 2],
) {
    let [_, height, width] = windows.input();
    let ([z0, z1], [y0, y1]) = (windows.span(0, oz), windows.span(1, oy));
    let [step_z, step_y, step_x] = windows.steps();
    for (ox, (dst, place)) in dst.iter_mut().zip(places).enumerate() {
        let [x0, x1] = windows.span(2, ox);
        if z0 >= z1 || y0 >= y1 || x0 >= x1 {
            (*dst, *place) = (T::NEG_INFINITY, u32::MAX);
            continue;
        }
        let first = (z0 * height + y0) * width + x0;
        let mut best = (x[first], first);
        for z in (z0..z1).step_by(step_z) {
            for y in (y0..y1).step_by(step_y) {
                let row = (z * height + y) * width;
                for at in (row + x0..row + x1).step_by(step_x) {
                    if wins(x[at], best.0) {
                        best = (x[at], at);
                    }
                }
            }
        }
        (*dst, *place) = (best.0, best.1 as u32);
    }
}

/// Gradient of [`max_pool`]: each window's gradient is added to its winner; `(planes, OD, OH, OW) -> (planes, D, H, W)`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn max_pool_backward<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    places: &[u32],
    windows: &Windows,
) {
    let [_, input, len] = windows.planes(dst.len(), grad_out.len());
    assert_eq!(
        places.len(),
        grad_out.len(),
        "max_pool_backward: one place per window"
    );
    each_plane(dst, input, input, |plane, dst| {
        dst.fill(T::ZERO);
        let own = plane * len..(plane + 1) * len;
        for (&grad, &at) in grad_out[own.clone()].iter().zip(&places[own]) {
            if let Some(d) = dst.get_mut(at as usize) {
                *d += grad;
            }
        }
    });
}

/// Mean of each window; `(planes, D, H, W) -> (planes, OD, OH, OW)`, contiguous; as `torch.nn.functional.avg_pool2d` and
/// `adaptive_avg_pool2d`.
///
/// # Numerics
/// Sums in f64, one rounding at the end; windows of 2 × 2 with stride 2 in the dtype; a whole plane in 16 lanes of the dtype, whose
/// blocks are summed in f64.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn avg_pool<T: Float>(dst: &mut [T], x: &[T], windows: &Windows) {
    let [_, input, len] = windows.planes(x.len(), dst.len());
    each_plane(dst, len, input, |plane, dst| {
        let x = &x[plane * input..][..input];
        if windows.is_whole() {
            dst[0] = T::from_f64(sum(x) / windows.divisor([0; 3]));
        } else if windows.is_quarters() {
            let scale = T::from_f64(1.0 / windows.divisor([0; 3]));
            average_two_by_two(dst, x, windows.input()[2], windows.output()[2], scale);
        } else {
            average(dst, x, windows);
        }
    });
}

/// Gradient of [`avg_pool`]; `(planes, OD, OH, OW) -> (planes, D, H, W)`.
///
/// # Panics
/// As [`avg_pool`].
pub fn avg_pool_backward<T: Float>(dst: &mut [T], grad_out: &[T], windows: &Windows) {
    let [_, input, len] = windows.planes(dst.len(), grad_out.len());
    each_plane(dst, input, input, |plane, dst| {
        let grad_out = &grad_out[plane * len..][..len];
        if windows.is_whole() {
            dst.fill(T::from_f64(grad_out[0].to_f64() / windows.divisor([0; 3])));
        } else {
            share_out(dst, grad_out, windows);
        }
    });
}

/// [`average`] of windows of 2 × 2 with stride 2, in the dtype: the sums of the columns, then of both.
fn average_two_by_two<T: Float>(dst: &mut [T], x: &[T], width: usize, ow: usize, scale: T) {
    dispatch(
        #[inline(always)]
        || {
            for (dst, rows) in dst.chunks_exact_mut(ow).zip(x.chunks_exact(2 * width)) {
                let (top, bottom) = rows.split_at(width);
                let (top, bottom) = (top.as_chunks::<2>().0, bottom.as_chunks::<2>().0);
                for ((d, a), b) in dst.iter_mut().zip(top).zip(bottom) {
                    *d = ((a[0] + b[0]) + (a[1] + b[1])) * scale;
                }
            }
        },
    );
}

/// `dst[oz, oy, ox] = Σ window / divisor`
fn average<T: Float>(dst: &mut [T], x: &[T], windows: &Windows) {
    let ([_, height, width], [od, oh, ow]) = (windows.input(), windows.output());
    dispatch(
        #[inline(always)]
        || {
            for row in 0..od * oh {
                let (oz, oy) = (row / oh, row % oh);
                let ([z0, z1], [y0, y1]) = (windows.span(0, oz), windows.span(1, oy));
                for ox in 0..ow {
                    let [x0, x1] = windows.span(2, ox);
                    let mut sum = 0.0;
                    for z in z0..z1 {
                        for y in y0..y1 {
                            let start = (z * height + y) * width;
                            for &v in &x[start + x0..start + x1] {
                                sum += v.to_f64();
                            }
                        }
                    }
                    dst[row * ow + ox] = T::from_f64(sum / windows.divisor([oz, oy, ox]));
                }
            }
        },
    );
}

/// `dst[z, y, x] = Σ grad_out / divisor` over the windows that hold `(z, y, x)`.
fn share_out<T: Float>(dst: &mut [T], grad_out: &[T], windows: &Windows) {
    let ([_, height, width], [od, oh, ow]) = (windows.input(), windows.output());
    dispatch(
        #[inline(always)]
        || {
            dst.fill(T::ZERO);
            for row in 0..od * oh {
                let (oz, oy) = (row / oh, row % oh);
                let ([z0, z1], [y0, y1]) = (windows.span(0, oz), windows.span(1, oy));
                for ox in 0..ow {
                    let [x0, x1] = windows.span(2, ox);
                    let grad = grad_out[row * ow + ox].to_f64();
                    let share = T::from_f64(grad / windows.divisor([oz, oy, ox]));
                    for z in z0..z1 {
                        for y in y0..y1 {
                            let start = (z * height + y) * width;
                            for d in &mut dst[start + x0..start + x1] {
                                *d += share;
                            }
                        }
                    }
                }
            }
        },
    );
}

/// Sum of a slice: 16 lanes over blocks of 1024, blocks in f64.
pub(crate) fn sum<T: Float>(values: &[T]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let mut total = 0.0;
            for block in values.chunks(1024) {
                let mut lanes = [T::ZERO; 16];
                let (full, tail) = block.as_chunks::<16>();
                for part in full {
                    for l in 0..16 {
                        lanes[l] += part[l];
                    }
                }
                for (lane, &v) in lanes.iter_mut().zip(tail) {
                    *lane += v;
                }
                total += lanes.iter().map(|v| v.to_f64()).sum::<f64>();
            }
            total
        },
    )
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
