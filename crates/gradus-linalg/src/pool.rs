//! 2-D pooling over `(planes, H, W)` and its gradients: max, average, adaptive average. A plane is one channel of one image.
//!
//! Sizes, ceil mode and divisors are PyTorch's: a window starts inside the image or its leading padding, never wholly in the trailing
//! padding. Planes are independent, each is walked in one order: the bits are the same for any number of threads.

use crate::float::Float;
use crate::scratch::SharedMut;
use crate::simd::dispatch;
use crate::threads::for_each_block;

/// Elements of one parallel block at least (from the measured 13-20 GB/s: some 5 µs; the limit itself was not
/// varied).
const MIN_BLOCK_ELEMENTS: usize = 1 << 14;

/// Windows of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Input `[height, width]`.
    pub input: [usize; 2],
    /// Window `[height, width]`; no side is 0.
    pub kernel: [usize; 2],
    /// Steps; no side is 0.
    pub stride: [usize; 2],
    /// Added before and after each axis; at most half of the window.
    pub padding: [usize; 2],
    /// Distance between the elements of a window; no side is 0. Averages take 1.
    pub dilation: [usize; 2],
    /// Round the number of windows up: the last may hang over the end.
    pub ceil_mode: bool,
}

impl Pool2d {
    /// Windows `[down, across]`; `None` if none fits, a parameter is 0, the padding exceeds half the window, or a size overflows.
    pub fn output(&self) -> Option<[usize; 2]> {
        let mut output = [0; 2];
        for d in 0..2 {
            let (stride, padding) = (self.stride[d], self.padding[d]);
            if stride == 0
                || self.dilation[d] == 0
                || self.kernel[d] == 0
                || padding > self.kernel[d] / 2
            {
                return None;
            }
            let reach = (self.kernel[d] - 1)
                .checked_mul(self.dilation[d])?
                .checked_add(1)?;
            let padded = self.input[d].checked_add(padding.checked_mul(2)?)?;
            let room = padded.checked_sub(reach)?;
            output[d] = if self.ceil_mode {
                room.div_ceil(stride)
            } else {
                room / stride
            } + 1;
            if self.ceil_mode
                && (output[d] - 1).checked_mul(stride)? >= self.input[d].checked_add(padding)?
            {
                output[d] -= 1;
            }
        }
        Some(output)
    }

    /// Rows (`d = 0`) or columns (`d = 1`) of window `o` that lie in the image: first, one past the last, in steps of the dilation.
    #[inline(always)]
    fn window(&self, d: usize, o: usize) -> (usize, usize) {
        let start = o * self.stride[d];
        let (padding, dilation) = (self.padding[d], self.dilation[d]);
        let end = (start + (self.kernel[d] - 1) * dilation + 1)
            .saturating_sub(padding)
            .min(self.input[d]);
        let first = if start >= padding {
            start - padding
        } else {
            (dilation - (padding - start) % dilation) % dilation
        };
        (first, end)
    }

    fn is_two_by_two(&self) -> bool {
        self.kernel == [2, 2]
            && self.stride == [2, 2]
            && self.padding == [0, 0]
            && self.dilation == [1, 1]
    }

    /// Elements of an input and an output plane.
    #[track_caller]
    fn planes(&self, output: [usize; 2], inputs: usize, outputs: usize) -> [usize; 3] {
        let [input, output] = [self.input[0] * self.input[1], output[0] * output[1]];
        let planes = outputs / output.max(1);
        assert_eq!(
            (planes * input, planes * output),
            (inputs, outputs),
            "pooling: lengths do not fit the shape"
        );
        [planes, input, output]
    }
}

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

/// Largest element of each window and where it is; `(planes, H, W) -> (planes, OH, OW)`, all contiguous.
///
/// `indices` gets the place of the winner in its plane, `y · W + x` (as `torch.nn.functional.max_pool2d(return_indices=True)`). The first
/// of equal elements wins; a NaN wins over all numbers (the first NaN of a window). Padding never wins;
/// a window whose taps all miss the image (dilation) gives -∞ and the index `u32::MAX`, which the gradient skips.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn max_pool2d<T: Float>(dst: &mut [T], indices: &mut [u32], x: &[T], pool: &Pool2d) {
    let output = pool
        .output()
        .expect("pooling whose shape was not validated");
    let [planes, input, len] = pool.planes(output, x.len(), dst.len());
    assert_eq!(indices.len(), dst.len(), "max_pool2d: one index per window");
    assert!(
        u32::try_from(input).is_ok(),
        "max_pool2d: plane too big for its indices"
    );
    let (values, places) = (SharedMut::new(dst), SharedMut::new(indices));
    for_each_block(
        planes,
        (MIN_BLOCK_ELEMENTS / input.max(1)).max(1),
        |_, range| {
            for plane in range {
                // SAFETY: each plane belongs to one block.
                let (dst, places) = unsafe {
                    (
                        values.range(plane * len..(plane + 1) * len),
                        places.range(plane * len..(plane + 1) * len),
                    )
                };
                let x = &x[plane * input..][..input];
                dispatch(
                    #[inline(always)]
                    || {
                        let rows = dst
                            .chunks_exact_mut(output[1])
                            .zip(places.chunks_exact_mut(output[1]));
                        for (oy, (dst, places)) in rows.enumerate() {
                            if pool.is_two_by_two()
                                && 2 * oy + 2 <= pool.input[0]
                                && 2 * output[1] <= pool.input[1]
                            {
                                max_row_two_by_two(
                                    dst,
                                    places,
                                    &x[2 * oy * pool.input[1]..],
                                    2 * oy * pool.input[1],
                                    pool.input[1],
                                );
                            } else {
                                max_row(dst, places, x, pool, oy);
                            }
                        }
                    },
                );
            }
        },
    );
}

/// Whether `new` takes the place of the leader `old`.
#[inline(always)]
fn wins<T: Float>(new: T, old: T) -> bool {
    new > old || (new.is_nan() && !old.is_nan())
}

#[inline(always)]
fn max_row_two_by_two<T: Float>(
    dst: &mut [T],
    places: &mut [u32],
    x: &[T],
    start: usize,
    width: usize,
) {
    let count = dst.len().min(places.len());
    let (dst, places) = (&mut dst[..count], &mut places[..count]);
    let top = &x[..2 * count];
    let bottom = &x[width..][..2 * count];
    for o in 0..count {
        let place = (start + 2 * o) as u32;
        let (a, b, c, d) = (top[2 * o], top[2 * o + 1], bottom[2 * o], bottom[2 * o + 1]);
        let (upper, upper_at) = if wins(b, a) {
            (b, place + 1)
        } else {
            (a, place)
        };
        let below = place + width as u32;
        let (lower, lower_at) = if wins(d, c) {
            (d, below + 1)
        } else {
            (c, below)
        };
        let take = wins(lower, upper);
        dst[o] = if take { lower } else { upper };
        places[o] = if take { lower_at } else { upper_at };
    }
}

#[inline(always)]
fn max_row<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], pool: &Pool2d, oy: usize) {
    let (y0, y1) = pool.window(0, oy);
    for (ox, (dst, place)) in dst.iter_mut().zip(places).enumerate() {
        let (x0, x1) = pool.window(1, ox);
        if y0 >= y1 || x0 >= x1 {
            (*dst, *place) = (T::NEG_INFINITY, u32::MAX);
            continue;
        }
        let mut best = (x[y0 * pool.input[1] + x0], y0 * pool.input[1] + x0);
        for y in (y0..y1).step_by(pool.dilation[0]) {
            for column in (x0..x1).step_by(pool.dilation[1]) {
                let at = y * pool.input[1] + column;
                if wins(x[at], best.0) {
                    best = (x[at], at);
                }
            }
        }
        (*dst, *place) = (best.0, best.1 as u32);
    }
}

/// Gradient of [`max_pool2d`]: each window's gradient is added to its winner; `(planes, OH, OW) -> (planes, H, W)`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn max_pool2d_backward<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    indices: &[u32],
    pool: &Pool2d,
) {
    let output = pool
        .output()
        .expect("pooling whose shape was not validated");
    let [_, input, len] = pool.planes(output, dst.len(), grad_out.len());
    assert_eq!(
        indices.len(),
        grad_out.len(),
        "max_pool2d_backward: one index per window"
    );
    each_plane(dst, input, input, |plane, dst| {
        dst.fill(T::ZERO);
        let windows = plane * len..(plane + 1) * len;
        for (&grad, &at) in grad_out[windows.clone()].iter().zip(&indices[windows]) {
            if let Some(d) = dst.get_mut(at as usize) {
                *d += grad;
            }
        }
    });
}

/// What a window of an average is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgDivisor {
    /// Count padding as zeros (PyTorch's default). Cells beyond the padding (ceil mode) never count.
    pub count_include_pad: bool,
    /// Divide by this instead; not 0.
    pub divisor_override: Option<usize>,
}

impl Default for AvgDivisor {
    fn default() -> Self {
        Self {
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

impl AvgDivisor {
    #[inline(always)]
    fn of(&self, pool: &Pool2d, oy: usize, ox: usize) -> usize {
        if let Some(divisor) = self.divisor_override {
            return divisor;
        }
        let side = |d: usize, o: usize| {
            if self.count_include_pad {
                let start = o * pool.stride[d];
                (start + pool.kernel[d]).min(pool.input[d] + 2 * pool.padding[d]) - start
            } else {
                let (first, end) = pool.window(d, o);
                end - first
            }
        };
        side(0, oy) * side(1, ox)
    }
}

/// Mean of each window; `(planes, H, W) -> (planes, OH, OW)`, contiguous; as `torch.nn.functional.avg_pool2d`.
///
/// # Numerics
/// Sums in f64, one rounding at the end; windows of 2 × 2 with stride 2 in the dtype.
///
/// # Panics
/// If lengths do not fit or the dilation is not 1: a bug of the caller.
pub fn avg_pool2d<T: Float>(dst: &mut [T], x: &[T], pool: &Pool2d, divisor: AvgDivisor) {
    let output = pool
        .output()
        .expect("pooling whose shape was not validated");
    assert_eq!(pool.dilation, [1, 1], "avg_pool2d: windows have no gaps");
    let [_, input, len] = pool.planes(output, x.len(), dst.len());
    each_plane(dst, len, input, |plane, dst| {
        let x = &x[plane * input..][..input];
        if pool.is_two_by_two() && !pool.ceil_mode {
            let count = divisor.divisor_override.unwrap_or(4);
            return average_two_by_two(
                dst,
                x,
                pool.input[1],
                output[1],
                T::from_f64(1.0 / count as f64),
            );
        }
        average(
            dst,
            x,
            pool.input[1],
            output,
            |o, d| pool.window(d, o),
            |oy, ox| divisor.of(pool, oy, ox),
        );
    });
}

/// Gradient of [`avg_pool2d`]; `(planes, OH, OW) -> (planes, H, W)`.
///
/// # Panics
/// As [`avg_pool2d`].
pub fn avg_pool2d_backward<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    pool: &Pool2d,
    divisor: AvgDivisor,
) {
    let output = pool
        .output()
        .expect("pooling whose shape was not validated");
    assert_eq!(pool.dilation, [1, 1], "avg_pool2d: windows have no gaps");
    let [_, input, len] = pool.planes(output, dst.len(), grad_out.len());
    each_plane(dst, input, input, |plane, dst| {
        let grad_out = &grad_out[plane * len..][..len];
        share_out(
            dst,
            grad_out,
            pool.input[1],
            output,
            |o, d| pool.window(d, o),
            |oy, ox| divisor.of(pool, oy, ox),
        );
    });
}

/// Rows or columns of the `o`-th of `outputs` parts of an axis, as PyTorch's adaptive pooling cuts it: `[⌊o·n/m⌋, ⌈(o+1)·n/m⌉)`.
#[inline(always)]
fn adaptive_window(n: usize, outputs: usize, o: usize) -> (usize, usize) {
    let wide = |a: usize| a as u128 * n as u128;
    (
        (wide(o) / outputs as u128) as usize,
        wide(o + 1).div_ceil(outputs as u128) as usize,
    )
}

/// Mean of `output` parts of each plane; `(planes, H, W) -> (planes, OH, OW)`, contiguous; as `torch.nn.functional.adaptive_avg_pool2d`.
///
/// # Numerics
/// Sums in f64 (a whole plane: rows in 16 lanes of the dtype, rows in f64).
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn adaptive_avg_pool2d<T: Float>(
    dst: &mut [T],
    x: &[T],
    input: [usize; 2],
    output: [usize; 2],
) {
    let (plane_in, plane_out) = (input[0] * input[1], output[0] * output[1]);
    assert_eq!(
        dst.len() * plane_in,
        x.len() * plane_out,
        "adaptive_avg_pool2d: lengths do not fit the shape"
    );
    each_plane(dst, plane_out, plane_in, |plane, dst| {
        let x = &x[plane * plane_in..][..plane_in];
        if output == [1, 1] {
            dst[0] = T::from_f64(sum(x) / plane_in as f64);
            return;
        }
        let window = |o: usize, d: usize| adaptive_window(input[d], output[d], o);
        average(dst, x, input[1], output, window, |oy, ox| {
            area(window(oy, 0), window(ox, 1))
        });
    });
}

/// Gradient of [`adaptive_avg_pool2d`]; `(planes, OH, OW) -> (planes, H, W)`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn adaptive_avg_pool2d_backward<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    input: [usize; 2],
    output: [usize; 2],
) {
    let (plane_in, plane_out) = (input[0] * input[1], output[0] * output[1]);
    assert_eq!(
        dst.len() * plane_out,
        grad_out.len() * plane_in,
        "adaptive_avg_pool2d: lengths do not fit the shape"
    );
    each_plane(dst, plane_in, plane_in, |plane, dst| {
        let grad_out = &grad_out[plane * plane_out..][..plane_out];
        if output == [1, 1] {
            return dst.fill(T::from_f64(grad_out[0].to_f64() / plane_in as f64));
        }
        let window = |o: usize, d: usize| adaptive_window(input[d], output[d], o);
        share_out(dst, grad_out, input[1], output, window, |oy, ox| {
            area(window(oy, 0), window(ox, 1))
        });
    });
}

fn area((y0, y1): (usize, usize), (x0, x1): (usize, usize)) -> usize {
    (y1 - y0) * (x1 - x0)
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

/// `dst[oy, ox] = Σ window / divisor`; `window(o, axis)` gives first and end.
#[inline(always)]
fn average<T: Float>(
    dst: &mut [T],
    x: &[T],
    width: usize,
    [oh, ow]: [usize; 2],
    window: impl Fn(usize, usize) -> (usize, usize),
    divisor: impl Fn(usize, usize) -> usize,
) {
    dispatch(
        #[inline(always)]
        || {
            for oy in 0..oh {
                let (y0, y1) = window(oy, 0);
                for ox in 0..ow {
                    let (x0, x1) = window(ox, 1);
                    let mut sum = 0.0;
                    for y in y0..y1 {
                        for &v in &x[y * width + x0..y * width + x1] {
                            sum += v.to_f64();
                        }
                    }
                    dst[oy * ow + ox] = T::from_f64(sum / divisor(oy, ox) as f64);
                }
            }
        },
    );
}

/// `dst[y, x] = Σ grad_out / divisor` over the windows that hold `(y, x)`.
#[inline(always)]
fn share_out<T: Float>(
    dst: &mut [T],
    grad_out: &[T],
    width: usize,
    [oh, ow]: [usize; 2],
    window: impl Fn(usize, usize) -> (usize, usize),
    divisor: impl Fn(usize, usize) -> usize,
) {
    dispatch(
        #[inline(always)]
        || {
            dst.fill(T::ZERO);
            for oy in 0..oh {
                let (y0, y1) = window(oy, 0);
                for ox in 0..ow {
                    let (x0, x1) = window(ox, 1);
                    let share =
                        T::from_f64(grad_out[oy * ow + ox].to_f64() / divisor(oy, ox) as f64);
                    for y in y0..y1 {
                        for d in &mut dst[y * width + x0..y * width + x1] {
                            *d += share;
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
