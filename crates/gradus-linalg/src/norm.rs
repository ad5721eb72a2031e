//! Normalisation: batch norm over `(N, C, S)`, layer norm and RMS norm over rows, each forward and backward.
//!
//! Moments are sums in f64 of differences from a nearby value, so that a mean far from 0 costs no digits. Channels and rows are summed
//! in a fixed order: the bits are the same for any number of threads.
//! Dims: N batch, C channels, S positions of a channel (H · W), R rows, D row length.

use std::ops::Range;

use crate::float::Float;
use crate::scratch::{SharedMut, with_scratch};
use crate::simd::{LANES, dispatch, prefetch_all};
use crate::softmax::tree;
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Elements of one parallel block at least (from the measured 13-20 GB/s: some 10 µs; the limit itself was not
/// varied).
const MIN_BLOCK_ELEMENTS: usize = 1 << 15;
/// Rows whose parameter gradients are summed together before blocks are added in order.
const ROWS: usize = 64;
/// Elements of the largest plane whose next one is asked for: in longer ones the processor's own foresight comes in time.
const LARGEST_PLANE_ASKED: usize = 1 << 11;

/// `(Σ (x - shift), Σ (x - shift)²)`; asks for as many values at each place of `next` meanwhile, which may be `x` itself.
#[inline(always)]
fn moments<T: Float, const N: usize>(x: &[T], shift: f64, next: [*const T; N]) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let (full, tail) = x.as_chunks::<LANES>();
    for (i, x) in full.iter().enumerate() {
        ask(next, i);
        let difference = x.map(
            #[inline(always)]
            |x| x.to_f64() - shift,
        );
        add_powers(&mut first, &mut second, &difference);
    }
    let mut difference = [0.0; LANES];
    for (difference, x) in difference.iter_mut().zip(tail) {
        *difference = x.to_f64() - shift;
    }
    add_powers(&mut first, &mut second, &difference);
    (tree(first), tree(second))
}

/// `first += d` and `second += d²`
#[inline(always)]
fn add_powers(first: &mut [f64; LANES], second: &mut [f64; LANES], d: &[f64; LANES]) {
    for l in 0..LANES {
        first[l] += d[l];
        second[l] = d[l].mul_add(d[l], second[l]);
    }
}

/// Asks for the `i`-th [`LANES`] values of each place.
#[inline(always)]
fn ask<T, const N: usize>(next: [*const T; N], i: usize) {
    for next in next {
        prefetch_all(next.wrapping_add(i * LANES), LANES);
    }
}

/// `(Σ g, Σ g · (x - mean))`, each `g` times its weight if there are weights; asks for as many values at each place of `next` meanwhile, which
/// may be `g` and `x`.
#[inline(always)]
fn grad_sums<T: Float, const N: usize>(
    g: &[T],
    x: &[T],
    weights: Option<&[T]>,
    mean: f64,
    next: [*const T; N],
) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let ((g_full, g_tail), (x_full, x_tail)) = (g.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let tail = (padded(g_tail), padded(x_tail));
    match weights {
        Some(weights) => {
            let (full, last) = weights.as_chunks::<LANES>();
            for (i, ((g, x), w)) in g_full.iter().zip(x_full).zip(full).enumerate() {
                ask(next, i);
                add_products(&mut first, &mut second, &times(g, w), x, mean);
            }
            let g = times(&tail.0, &padded(last));
            add_products(&mut first, &mut second, &g, &tail.1, mean);
        }
        None => {
            for (i, (g, x)) in g_full.iter().zip(x_full).enumerate() {
                ask(next, i);
                add_products(&mut first, &mut second, g, x, mean);
            }
            add_products(&mut first, &mut second, &tail.0, &tail.1, mean);
        }
    }
    (tree(first), tree(second))
}

/// `first += g` and `second += g · (x - mean)`
#[inline(always)]
fn add_products<T: Float>(
    first: &mut [f64; LANES],
    second: &mut [f64; LANES],
    g: &[T; LANES],
    x: &[T; LANES],
    mean: f64,
) {
    for l in 0..LANES {
        let grad = g[l].to_f64();
        first[l] += grad;
        second[l] = grad.mul_add(x[l].to_f64() - mean, second[l]);
    }
}

/// `a · b`
#[inline(always)]
fn times<T: Float>(a: &[T; LANES], b: &[T; LANES]) -> [T; LANES] {
    let mut product = *a;
    for l in 0..LANES {
        product[l] *= b[l];
    }
    product
}

/// The last values of a row and zeros.
#[inline(always)]
fn padded<T: Float>(tail: &[T]) -> [T; LANES] {
    let mut values = [T::ZERO; LANES];
    values[..tail.len()].copy_from_slice(tail);
    values
}

/// Mean and biased variance from the sums of differences.
fn finish((first, second): (f64, f64), shift: f64, count: f64) -> (f64, f64) {
    let mean = first / count;
    let variance = second / count - mean * mean;
    // Rounding may leave -1e-17; NaN must stay (`f64::max` would hide it).
    (shift + mean, if variance < 0.0 { 0.0 } else { variance })
}

/// `1 / √(variance + eps)`; a variance that is not a number stays so.
fn inverse_std(variance: f64, eps: f64) -> f64 {
    1.0 / (variance + eps).sqrt()
}

/// Channels of one parallel block.
fn channel_block([n, _, s]: [usize; 3]) -> usize {
    (MIN_BLOCK_ELEMENTS / (n * s).max(1)).max(1)
}

/// What [`batch_norm`] leaves for its gradient and for the running statistics, each `(C,)`.
#[derive(Debug)]
pub struct BatchStats<'a, T> {
    /// Mean of each channel.
    pub mean: &'a mut [T],
    /// `1 / √(var + eps)` of each channel.
    pub inv_std: &'a mut [T],
    /// Biased variance of each channel; the unbiased one is this · `m / (m - 1)` with `m = N · S`.
    pub var: &'a mut [T],
}

/// Scale and shift of each channel or column; `None` is 1 and 0.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// γ
    pub weight: Option<&'a [T]>,
    /// β
    pub bias: Option<&'a [T]>,
}

impl<T: Float> Affine<'_, T> {
    fn scale(&self, i: usize) -> f64 {
        self.weight.map_or(1.0, |w| w[i].to_f64())
    }

    fn shift(&self, i: usize) -> f64 {
        self.bias.map_or(0.0, |b| b[i].to_f64())
    }
}

/// Batch norm with the statistics of this batch: `(x - mean) · inv_std · γ + β`; `(N, C, S)` contiguous; as PyTorch's in training.
///
/// # Numerics
/// Moments in f64 around each channel's first value; the rest in the dtype.
///
/// # Panics
/// If lengths do not fit `dims`: a bug of the caller, ops have validated them.
pub fn batch_norm<T: Float>(
    dst: &mut [T],
    stats: BatchStats<'_, T>,
    x: &[T],
    affine: Affine<'_, T>,
    eps: f64,
    dims: [usize; 3],
) {
    let [n, c, s] = dims;
    assert!(
        x.len() == n * c * s && dst.len() == x.len(),
        "batch_norm: lengths do not fit the shape"
    );
    let [mean, inv_std, var] = [stats.mean, stats.inv_std, stats.var].map(SharedMut::new);
    let out = SharedMut::new(dst);
    for_each_block(c, channel_block(dims), |_, channels| {
        // SAFETY: each channel belongs to one block.
        let (mean, inv_std, var) = unsafe {
            (
                mean.range(channels.clone()),
                inv_std.range(channels.clone()),
                var.range(channels.clone()),
            )
        };
        let planes = Planes { dims, channels };
        let first_value = |channel: usize| match n * s {
            0 => 0.0,
            _ => x[channel * s].to_f64(),
        };
        planes.with_sums(
            #[inline(always)]
            |i, plane, next| {
                moments(
                    &x[plane],
                    first_value(planes.channels.start + i),
                    [x.as_ptr().wrapping_add(next)],
                )
            },
            |sums| {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let channel = planes.channels.start + i;
                    let (m, v) = finish((sums[0], sums[1]), first_value(channel), (n * s) as f64);
                    let inverse = inverse_std(v, eps);
                    (mean[i], inv_std[i], var[i]) =
                        (T::from_f64(m), T::from_f64(inverse), T::from_f64(v));
                    *sums = [inverse * affine.scale(channel), affine.shift(channel)];
                }
                planes.for_each(
                    #[inline(always)]
                    |i, plane, _| {
                        // SAFETY: each channel belongs to one block.
                        let dst = unsafe { out.range(plane.clone()) };
                        let [scale, shift] = sums[i].map(T::from_f64);
                        shift_and_scale(dst, &x[plane], mean[i], scale, shift);
                    },
                );
            },
        );
    });
}

/// The planes of a block of channels, `(N, channels of C, S)`, image by image: small planes of one image lie side by side.
struct Planes {
    dims: [usize; 3],
    channels: Range<usize>,
}

impl Planes {
    /// Calls `f(channel's number in the block, plane, next)` for each plane, in the best instruction set; `next` begins the same channel of the
    /// next image, or this plane, if that is not worth asking for.
    #[inline(always)]
    fn for_each(&self, mut f: impl FnMut(usize, Range<usize>, usize)) {
        let [n, c, s] = self.dims;
        let ask = self.channels.len() == 1 && s <= LARGEST_PLANE_ASKED;
        dispatch(
            #[inline(always)]
            || {
                for image in 0..n {
                    for (i, channel) in self.channels.clone().enumerate() {
                        let plane = (image * c + channel) * s;
                        f(i, plane..plane + s, if ask { plane + c * s } else { plane });
                    }
                }
            },
        );
    }

    /// Calls `then` with both sums of each channel over its planes, added in the order of images.
    #[inline(always)]
    fn with_sums<R>(
        &self,
        sums_of: impl Fn(usize, Range<usize>, usize) -> (f64, f64),
        then: impl FnOnce(&mut [[f64; 2]]) -> R,
    ) -> R {
        with_scratch(2 * self.channels.len(), |sums: &mut [f64]| {
            sums.fill(0.0);
            let sums = sums.as_chunks_mut().0;
            self.for_each(
                #[inline(always)]
                |i, plane, next| {
                    let (first, second) = sums_of(i, plane, next);
                    sums[i] = [sums[i][0] + first, sums[i][1] + second];
                },
            );
            then(sums)
        })
    }
}

/// `dst = (x - mean) · scale + shift`
///
/// A function of its own, so that the compiler knows that `dst` is apart from `x`.
fn shift_and_scale<T: Float>(dst: &mut [T], x: &[T], mean: T, scale: T, shift: T) {
    dispatch(
        #[inline(always)]
        || {
            for (d, &x) in dst.iter_mut().zip(x) {
                *d = (x - mean).mul_add(scale, shift);
            }
        },
    );
}

/// Batch norm with given statistics: `(x - mean) / √(var + eps) · γ + β`; `(N, C, S)` contiguous; as PyTorch's in evaluation.
///
/// # Panics
/// If lengths do not fit `dims`: a bug of the caller.
pub fn batch_norm_eval<T: Float>(
    dst: &mut [T],
    x: &[T],
    mean: &[T],
    var: &[T],
    affine: Affine<'_, T>,
    eps: f64,
    dims: [usize; 3],
) {
    let [n, c, s] = dims;
    assert!(
        x.len() == n * c * s && dst.len() == x.len(),
        "batch_norm_eval: lengths do not fit the shape"
    );
    let block = (MIN_BLOCK_ELEMENTS / s.max(1)).max(1);
    for_each_chunk_mut(dst, block * s, |chunk, dst| {
        for (i, dst) in dst.chunks_exact_mut(s).enumerate() {
            let plane = chunk * block + i;
            let channel = plane % c;
            let scale =
                T::from_f64(inverse_std(var[channel].to_f64(), eps) * affine.scale(channel));
            let shift = T::from_f64(affine.shift(channel));
            shift_and_scale(dst, &x[plane * s..][..s], mean[channel], scale, shift);
        }
    });
}

/// Gradients of batch norm; `dst` is for `x`, `(N, C, S)`; `grad_weight` and `grad_bias` are `(C,)`.
///
/// `batch_stats` says whether `mean` and `inv_std` came from `x` (training) or were given. All three gradients are written; in
/// training `grad_x = γ · inv_std · (g - mean(g) - x̂ · mean(g · x̂))`.
///
/// # Panics
/// If lengths do not fit `dims`: a bug of the caller.
pub fn batch_norm_backward<T: Float>(
    dst: &mut [T],
    grad_weight: &mut [T],
    grad_bias: &mut [T],
    grad_out: &[T],
    x: &[T],
    mean: &[T],
    inv_std: &[T],
    weight: Option<&[T]>,
    batch_stats: bool,
    dims: [usize; 3],
) {
    let [n, c, s] = dims;
    assert!(
        x.len() == n * c * s && dst.len() == x.len() && grad_out.len() == x.len(),
        "batch_norm_backward: lengths"
    );
    let affine = Affine { weight, bias: None };
    let (out, weights, biases) = (
        SharedMut::new(dst),
        SharedMut::new(grad_weight),
        SharedMut::new(grad_bias),
    );
    for_each_block(c, channel_block(dims), |_, channels| {
        // SAFETY: each channel belongs to one block.
        let (weights, biases) = unsafe {
            (
                weights.range(channels.clone()),
                biases.range(channels.clone()),
            )
        };
        let (mean, inv_std) = (&mean[channels.clone()], &inv_std[channels.clone()]);
        let scale = |i: usize| affine.scale(channels.start + i) * inv_std[i].to_f64();
        let planes = Planes {
            dims,
            channels: channels.clone(),
        };
        planes.with_sums(
            #[inline(always)]
            |i, plane, next| {
                let next = [
                    grad_out.as_ptr().wrapping_add(next),
                    x.as_ptr().wrapping_add(next),
                ];
                let grad = &grad_out[plane.clone()];
                grad_sums(grad, &x[plane], None, mean[i].to_f64(), next)
            },
            |sums| {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let (inverse, count) = (inv_std[i].to_f64(), (n * s) as f64);
                    (weights[i], biases[i]) =
                        (T::from_f64(sums[1] * inverse), T::from_f64(sums[0]));
                    *sums = [sums[0] / count, sums[1] / count * inverse * inverse];
                }
                planes.for_each(
                    #[inline(always)]
                    |i, plane, _| {
                        // SAFETY: each channel belongs to one block.
                        let dst = unsafe { out.range(plane.clone()) };
                        let (grad, x) = (&grad_out[plane.clone()], &x[plane]);
                        let scale = T::from_f64(scale(i));
                        if batch_stats {
                            let [offset, slope] = sums[i].map(T::from_f64);
                            pull_back(dst, grad, x, mean[i], [offset, slope, scale]);
                        } else {
                            shift_and_scale(dst, grad, T::ZERO, scale, T::ZERO);
                        }
                    },
                );
            },
        );
    });
}

/// `dst = (g - offset - (x - mean) · slope) · scale`
///
/// A function of its own, as [`shift_and_scale`].
fn pull_back<T: Float>(
    dst: &mut [T],
    grad: &[T],
    x: &[T],
    mean: T,
    [offset, slope, scale]: [T; 3],
) {
    dispatch(
        #[inline(always)]
        || {
            for ((d, &g), &x) in dst.iter_mut().zip(grad).zip(x) {
                *d = (mean - x).mul_add(slope, g - offset) * scale;
            }
        },
    );
}

/// Layer norm of each row: `(x - mean) · rstd · γ + β`; `(R, D)` contiguous, γ and β `(D,)`, `mean` and `rstd` `(R,)`.
///
/// # Numerics
/// Moments in f64 around each row's first value; the rest in the dtype.
///
/// # Panics
/// If lengths do not fit: a bug of the caller, ops have validated them.
pub fn layer_norm<T: Float>(
    dst: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
    x: &[T],
    affine: Affine<'_, T>,
    eps: f64,
    row_len: usize,
) {
    row_norm(dst, Some(mean), rstd, x, affine, eps, row_len);
}

/// RMS norm of each row: `x · rstd · γ`, `rstd = 1 / √(mean(x²) + eps)`; `(R, D)` contiguous, γ `(D,)`, `rstd` `(R,)`; arXiv:1910.07467.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn rms_norm<T: Float>(
    dst: &mut [T],
    rstd: &mut [T],
    x: &[T],
    weight: Option<&[T]>,
    eps: f64,
    row_len: usize,
) {
    row_norm(
        dst,
        None,
        rstd,
        x,
        Affine { weight, bias: None },
        eps,
        row_len,
    );
}

fn row_norm<T: Float>(
    dst: &mut [T],
    mean: Option<&mut [T]>,
    rstd: &mut [T],
    x: &[T],
    affine: Affine<'_, T>,
    eps: f64,
    row_len: usize,
) {
    let rows = rstd.len();
    assert!(
        x.len() == rows * row_len && dst.len() == x.len(),
        "row norm: lengths do not fit the shape"
    );
    assert!(
        mean.as_ref().is_none_or(|m| m.len() == rows),
        "row norm: one mean per row"
    );
    let (out, mean, rstd) = (
        SharedMut::new(dst),
        mean.map(SharedMut::new),
        SharedMut::new(rstd),
    );
    let block = (MIN_BLOCK_ELEMENTS / row_len.max(1)).max(1);
    for_each_block(rows, block, |_, range| {
        for row in range {
            // SAFETY: each row belongs to one block.
            let (dst, rstd) = unsafe {
                (
                    out.range(row * row_len..(row + 1) * row_len),
                    rstd.range(row..row + 1),
                )
            };
            let x = &x[row * row_len..][..row_len];
            dispatch(
                #[inline(always)]
                || {
                    let count = row_len as f64;
                    // The next row is read then, and this one is written.
                    let next = [x.as_ptr().wrapping_add(row_len), dst.as_ptr()];
                    let (m, v) = if mean.is_some() {
                        let shift = x.first().map_or(0.0, |v| v.to_f64());
                        finish(moments(x, shift, next), shift, count)
                    } else {
                        (0.0, moments(x, 0.0, next).1 / count)
                    };
                    rstd[0] = T::from_f64(inverse_std(v, eps));
                    apply(dst, x, T::from_f64(m), rstd[0], affine);
                    if let Some(mean) = &mean {
                        // SAFETY: each row belongs to one block.
                        let mean = unsafe { mean.range(row..row + 1) };
                        mean[0] = T::from_f64(m);
                    }
                },
            );
        }
    });
}

/// `dst = (x - mean) · rstd · γ + β` of one row.
#[inline(always)]
fn apply<T: Float>(dst: &mut [T], x: &[T], mean: T, rstd: T, affine: Affine<'_, T>) {
    let n = dst.len().min(x.len());
    let (dst, x) = (&mut dst[..n], &x[..n]);
    match (affine.weight, affine.bias) {
        (Some(w), Some(b)) => {
            let (w, b) = (&w[..n], &b[..n]);
            for i in 0..n {
                dst[i] = ((x[i] - mean) * rstd).mul_add(w[i], b[i]);
            }
        }
        (Some(w), None) => {
            let w = &w[..n];
            for i in 0..n {
                dst[i] = (x[i] - mean) * rstd * w[i];
            }
        }
        (None, bias) => {
            for i in 0..n {
                dst[i] = (x[i] - mean) * rstd + bias.map_or(T::ZERO, |b| b[i]);
            }
        }
    }
}

/// Gradients of [`layer_norm`]; `dst` is for `x`, `(R, D)`; `grad_weight` and `grad_bias` are `(D,)`.
///
/// `grad_x = rstd · (g · γ - mean(g · γ) - x̂ · mean(g · γ · x̂))`, with `x̂ = (x - mean) · rstd`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn layer_norm_backward<T: Float>(
    dst: &mut [T],
    grad_weight: &mut [T],
    grad_bias: &mut [T],
    grad_out: &[T],
    x: &[T],
    mean: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
) {
    let rows = RowGrad {
        grad_out,
        x,
        mean: Some(mean),
        rstd,
        weight,
    };
    rows.run(dst, grad_weight, Some(grad_bias));
}

/// Gradients of [`rms_norm`]; `dst` is for `x`, `(R, D)`; `grad_weight` is `(D,)`.
///
/// `grad_x = rstd · (g · γ - x̂ · mean(g · γ · x̂))`, with `x̂ = x · rstd`.
///
/// # Panics
/// If lengths do not fit: a bug of the caller.
pub fn rms_norm_backward<T: Float>(
    dst: &mut [T],
    grad_weight: &mut [T],
    grad_out: &[T],
    x: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
) {
    RowGrad {
        grad_out,
        x,
        mean: None,
        rstd,
        weight,
    }
    .run(dst, grad_weight, None);
}

/// Operands of the gradient of a row norm.
struct RowGrad<'a, T> {
    grad_out: &'a [T],
    x: &'a [T],
    mean: Option<&'a [T]>,
    rstd: &'a [T],
    weight: Option<&'a [T]>,
}

impl<T: Float> RowGrad<'_, T> {
    fn run(&self, dst: &mut [T], grad_weight: &mut [T], grad_bias: Option<&mut [T]>) {
        let (rows, len) = (self.rstd.len(), grad_weight.len());
        assert!(
            self.x.len() == rows * len
                && self.grad_out.len() == rows * len
                && dst.len() == rows * len,
            "row norm: lengths"
        );
        let blocks = rows.div_ceil(ROWS);
        with_scratch(blocks * 2 * len, |partial| {
            partial.fill(T::ZERO);
            let (out, parts) = (SharedMut::new(dst), SharedMut::new(partial));
            for_each_block(rows, ROWS, |block, range| {
                // SAFETY: each block of rows has its own partial sums and its own rows of dst.
                let (parts, dst) = unsafe {
                    (
                        parts.range(block * 2 * len..(block + 1) * 2 * len),
                        out.range(range.start * len..range.end * len),
                    )
                };
                let (weights, biases) = parts.split_at_mut(len);
                let (pairs, last) = dst.split_at_mut(range.len() / 2 * 2 * len);
                let mut row = range.start;
                for pair in pairs.chunks_exact_mut(2 * len) {
                    let (first, second) = pair.split_at_mut(len);
                    self.some_rows([first, second], weights, biases, row);
                    row += 2;
                }
                if !last.is_empty() {
                    self.some_rows([last], weights, biases, row);
                }
            });
            let total = |dst: &mut [T], skip: usize| {
                for (i, d) in dst.iter_mut().enumerate() {
                    let sum: f64 = (0..blocks)
                        .map(|b| partial[(2 * b + skip) * len + i].to_f64())
                        .sum();
                    *d = T::from_f64(sum);
                }
            };
            total(grad_weight, 0);
            if let Some(grad_bias) = grad_bias {
                total(grad_bias, 1);
            }
        });
    }

    /// Some rows from `first` on: writes their `grad_x` and adds their part of the parameter gradients.
    fn some_rows<const N: usize>(
        &self,
        dst: [&mut [T]; N],
        weights: &mut [T],
        biases: &mut [T],
        first: usize,
    ) {
        let len = weights.len();
        let rows = std::array::from_fn::<_, N, _>(|r| {
            let row = first + r;
            let (g, x) = (
                &self.grad_out[row * len..][..len],
                &self.x[row * len..][..len],
            );
            let (mean, rstd) = (self.mean.map_or(T::ZERO, |m| m[row]), self.rstd[row]);
            // The rows of the next turn.
            let next = [dst[r].as_ptr(), g.as_ptr(), x.as_ptr()];
            let next = next.map(|row| row.wrapping_add(N * len));
            let (sum, products) = dispatch(
                #[inline(always)]
                || grad_sums(g, x, self.weight, mean.to_f64(), next),
            );
            let offset = self.mean.map_or(0.0, |_| sum / len as f64);
            let slope = products / len as f64 * rstd.to_f64();
            let (offset, slope) = (T::from_f64(offset), T::from_f64(slope));
            Normed {
                g,
                x,
                mean,
                rstd,
                offset,
                slope,
            }
        });
        dispatch(
            #[inline(always)]
            || pull_rows_back(dst, weights, biases, &rows, self.weight),
        );
    }
}

/// A row and what the gradient of its elements has in common.
struct Normed<'a, T> {
    g: &'a [T],
    x: &'a [T],
    mean: T,
    rstd: T,
    /// `mean(g · γ)`, 0 where no mean was taken off.
    offset: T,
    /// `mean(g · γ · x̂)`
    slope: T,
}

impl<T: Float> Normed<'_, T> {
    /// The gradient of elements `g` at `x`, with γ `scale`; adds to the gradients of γ and β.
    #[inline(always)]
    fn pull_back(&self, g: T, x: T, scale: T, weight: &mut T, bias: &mut T) -> T {
        let normal = (x - self.mean) * self.rstd;
        *weight = g.mul_add(normal, *weight);
        *bias += g;
        (g * scale - self.offset - normal * self.slope) * self.rstd
    }
}

/// `dst = rstd · (g · γ - offset - x̂ · slope)` of each row, `weights += g · x̂` and `biases += g`: of several rows at once, so that the sums are
/// read and written once. Call inside `dispatch`.
#[inline(always)]
fn pull_rows_back<T: Float, const N: usize>(
    mut dst: [&mut [T]; N],
    weights: &mut [T],
    biases: &mut [T],
    rows: &[Normed<'_, T>; N],
    scales: Option<&[T]>,
) {
    let whole = weights.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        // Lanes that are read before any is written: that they lie apart need not be known.
        let mut sums = (lanes(weights, at), lanes(biases, at));
        let scale = scales.map_or([T::ONE; LANES], |scales| lanes(scales, at));
        for (dst, row) in dst.iter_mut().zip(rows) {
            let (g, x) = (lanes(row.g, at), lanes(row.x, at));
            let mut grads = [T::ZERO; LANES];
            for l in 0..LANES {
                grads[l] = row.pull_back(g[l], x[l], scale[l], &mut sums.0[l], &mut sums.1[l]);
            }
            dst[at..at + LANES].copy_from_slice(&grads);
        }
        weights[at..at + LANES].copy_from_slice(&sums.0);
        biases[at..at + LANES].copy_from_slice(&sums.1);
    }
    for i in whole..weights.len() {
        let scale = scales.map_or(T::ONE, |scales| scales[i]);
        for (dst, row) in dst.iter_mut().zip(rows) {
            dst[i] = row.pull_back(row.g[i], row.x[i], scale, &mut weights[i], &mut biases[i]);
        }
    }
}

/// The [`LANES`] values from `at` on.
#[inline(always)]
fn lanes<T: Float>(values: &[T], at: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    lanes.copy_from_slice(&values[at..at + LANES]);
    lanes
}

#[cfg(test)]
#[path = "norm_tests.rs"]
mod tests;
