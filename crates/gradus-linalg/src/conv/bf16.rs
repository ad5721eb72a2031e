//! Convolutions of f32 in bf16: operands rounded, products exact, sums in f32.
//!
//! On AVX512-BF16 the output and the input's gradient at stride 1 are products of the weight with columns of pairs of channels, gathered a
//! panel of 64 positions at a time from padded copies; the weight's gradient is a product of columns of pairs of positions with the output's
//! gradient. Nothing as large as all columns is ever in memory. The input's gradient at other strides goes by columns added to their places.
//! Elsewhere, and where the kernels of f32 are faster all the same, rounded copies go through those, which sum in another order.
//!
//! Sums run over pairs of channels, kernel row, kernel column, or over positions, cut by shape only: bits do not depend on threads.

#[cfg(target_arch = "x86_64")]
mod copies;
#[cfg(target_arch = "x86_64")]
mod output;
#[cfg(target_arch = "x86_64")]
mod weight;

use gradus_tensor::{Layout, View};

use super::{Conv2d, Geometry, by_gemm, check, images, turn_weight, winograd, with_contiguous};
use crate::gemm::bf16::Rounded;
use crate::gemm::{Precision, is_accelerated};
use crate::im2col::Images;
use crate::scratch::with_scratch;
use crate::simd::dispatch;
use crate::threads::for_each_chunk_mut;

/// [`super::conv2d`] in bf16.
///
/// # Panics
/// As [`super::conv2d`].
pub fn conv2d_bf16(
    dst: &mut [f32],
    x: View<'_, f32>,
    weight: View<'_, f32>,
    bias: Option<&[f32]>,
    conv: &Conv2d,
) {
    let g = conv.geometry();
    check(&x, [conv.batch, conv.c_in, conv.input[0], conv.input[1]]);
    check(
        &weight,
        [conv.c_out, g.c_in, conv.kernel[0], conv.kernel[1]],
    );
    assert_eq!(
        dst.len(),
        conv.batch * conv.c_out * g.positions(),
        "conv2d_bf16: destination has the wrong length"
    );
    assert!(
        bias.is_none_or(|b| b.len() == conv.c_out),
        "conv2d_bf16: one bias per output channel"
    );
    if dst.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if suits(&g) && !is_faster_in_f32(&g) {
        return with_contiguous(weight, |weight| {
            output::forward(dst, Images::new(x), weight, bias, &g);
        });
    }
    forward_elsewhere(dst, x, weight, bias, conv);
}

/// Rounded copies, convolved in f32.
fn forward_elsewhere(
    dst: &mut [f32],
    x: View<'_, f32>,
    weight: View<'_, f32>,
    bias: Option<&[f32]>,
    conv: &Conv2d,
) {
    with_rounded(x, |x| {
        with_rounded(weight, |weight| super::conv2d(dst, x, weight, bias, conv));
    });
}

/// [`super::conv2d_grad_input`] in bf16.
///
/// # Panics
/// As [`super::conv2d_grad_input`].
pub fn conv2d_grad_input_bf16(
    dst: &mut [f32],
    grad_out: View<'_, f32>,
    weight: View<'_, f32>,
    conv: &Conv2d,
) {
    let g = conv.geometry();
    check(
        &grad_out,
        [conv.batch, conv.c_out, g.output[0], g.output[1]],
    );
    check(
        &weight,
        [conv.c_out, g.c_in, conv.kernel[0], conv.kernel[1]],
    );
    assert_eq!(
        dst.len(),
        conv.batch * conv.c_in * conv.input[0] * conv.input[1],
        "conv2d_grad_input_bf16: destination has the wrong length"
    );
    #[cfg(target_arch = "x86_64")]
    if suits(&g) && (g.stride != [1, 1] || !is_faster_in_f32(&g.turned())) {
        return with_contiguous(weight, |weight| {
            let grad_out = Images::new(grad_out);
            if g.stride != [1, 1] || dst.is_empty() {
                return by_gemm::grad_input(dst, grad_out, weight, &g, Precision::Bf16);
            }
            let turned = g.turned();
            with_scratch(weight.len(), |swapped| {
                turn_weight(swapped, weight, &g);
                output::forward(dst, grad_out, swapped, None, &turned);
            });
        });
    }
    grad_input_elsewhere(dst, grad_out, weight, conv);
}

/// As [`forward_elsewhere`].
fn grad_input_elsewhere(
    dst: &mut [f32],
    grad_out: View<'_, f32>,
    weight: View<'_, f32>,
    conv: &Conv2d,
) {
    with_rounded(grad_out, |grad_out| {
        with_rounded(weight, |weight| {
            super::conv2d_grad_input(dst, grad_out, weight, conv);
        });
    });
}

/// [`super::conv2d_grad_weight`] in bf16.
///
/// # Panics
/// As [`super::conv2d_grad_weight`].
pub fn conv2d_grad_weight_bf16(
    dst: &mut [f32],
    grad_out: View<'_, f32>,
    x: View<'_, f32>,
    conv: &Conv2d,
) {
    let g = conv.geometry();
    check(
        &grad_out,
        [conv.batch, conv.c_out, g.output[0], g.output[1]],
    );
    check(&x, [conv.batch, conv.c_in, conv.input[0], conv.input[1]]);
    assert_eq!(
        dst.len(),
        conv.c_out * g.inner(),
        "conv2d_grad_weight_bf16: destination has the wrong length"
    );
    #[cfg(target_arch = "x86_64")]
    if suits(&g)
        && !images::suits::<f32>(&g)
        && !winograd::suits_grad_weight::<f32>(&g)
        && !dst.is_empty()
        && g.batch * g.positions() > 0
    {
        return with_contiguous(grad_out, |grad_out| {
            weight::grad_weight(dst, grad_out, Images::new(x), &g);
        });
    }
    grad_weight_elsewhere(dst, grad_out, x, conv);
}

/// As [`forward_elsewhere`].
fn grad_weight_elsewhere(
    dst: &mut [f32],
    grad_out: View<'_, f32>,
    x: View<'_, f32>,
    conv: &Conv2d,
) {
    with_rounded(grad_out, |grad_out| {
        with_rounded(x, |x| super::conv2d_grad_weight(dst, grad_out, x, conv));
    });
}

/// Whether the kernels of this folder can take the convolution.
#[cfg(target_arch = "x86_64")]
fn suits(g: &Geometry) -> bool {
    let phases = g.stride[0].min(g.kernel[0]) * g.stride[1].min(g.kernel[1]);
    is_accelerated() && !g.is_far() && phases <= 16 && g.c_in > 0
}

/// Whether the kernels of f32 on rounded copies win: those that take many images of few channels side by side, and minimal filtering, which
/// has a quarter of the multiply-adds (on Zen 4, one thread: 300 GFLOP/s of the formula's, where these kernels have 170).
#[cfg(target_arch = "x86_64")]
fn is_faster_in_f32(g: &Geometry) -> bool {
    images::suits_forward::<f32>(g) || winograd::suits::<f32>(g)
}

/// Elements that are rounded at a time.
const ROUNDED_AT_ONCE: usize = 1 << 14;

/// Runs `f` with a copy rounded to bf16, contiguous.
fn with_rounded<R>(view: View<'_, f32>, f: impl FnOnce(View<'_, f32>) -> R) -> R {
    let shape = *view.shape();
    with_scratch(shape.numel(), |copy: &mut [f32]| {
        match view.as_slice() {
            Some(values) => for_each_chunk_mut(copy, ROUNDED_AT_ONCE, |i, copy| {
                let values = &values[i * ROUNDED_AT_ONCE..][..copy.len()];
                dispatch(
                    #[inline(always)]
                    || {
                        for (c, v) in copy.iter_mut().zip(values) {
                            *c = v.to_bf16().to_f32();
                        }
                    },
                );
            }),
            None => {
                for (c, v) in copy.iter_mut().zip(view.iter()) {
                    *c = v.to_bf16().to_f32();
                }
            }
        }
        f(View::new(copy, &Layout::contiguous(shape)).expect("a copy of the view"))
    })
}

#[cfg(test)]
mod tests;
