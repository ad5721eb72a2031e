//! 2-D convolution (cross-correlation, as PyTorch's) and its gradients: NCHW, groups, stride, padding per side, dilation, any strides.
//!
//! Five ways, chosen by shape (`benches/conv.rs`): minimal filtering (f32, 3 × 3, stride 1, from 32 channels on), many images of few channels
//! side by side (f32), direct kernels on a padded copy of the image (wide maps, few channels, depthwise), a plain product (1 × 1), and products over columns gathered for a block
//! of positions at a time (narrow maps, where a block holds several images). Work is cut by shape only: the bits are the same for any
//! number of threads.
//!
//! Dims: N batch, C channels, H, W input, O output, K kernel; inner length = channels of a group · KH · KW.

mod bf16;
mod by_channels;
mod by_gemm;
mod direct;
mod images;
mod micro;
mod packed;
mod pixels;
mod plain;
mod product;
mod turn;
mod volume;
mod winograd;

use gradus_tensor::View;

use crate::float::Float;
use crate::gemm::Precision;
use crate::im2col::{Images, as_f32, as_f32_mut};
use crate::scratch::with_scratch;
use crate::threads::for_each_chunk_mut;

pub use bf16::{conv2d_bf16, conv2d_grad_input_bf16, conv2d_grad_weight_bf16};
pub use volume::{Conv3d, conv3d, conv3d_grad_input, conv3d_grad_weight};

/// Shapes and parameters of a convolution. A 1-D one has height 1 and kernel height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// N
    pub batch: usize,
    /// Input channels, a multiple of `groups`.
    pub c_in: usize,
    /// Output channels, a multiple of `groups`.
    pub c_out: usize,
    /// Channels are cut into this many independent convolutions; not 0.
    pub groups: usize,
    /// Input `[height, width]`.
    pub input: [usize; 2],
    /// Kernel `[height, width]`; no side is 0.
    pub kernel: [usize; 2],
    /// Steps of the window; no side is 0.
    pub stride: [usize; 2],
    /// Zeros added: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Distance between taps; no side is 0.
    pub dilation: [usize; 2],
}

impl Conv2d {
    /// Output `[height, width]`; `None` if the kernel does not fit, a parameter is 0, groups do not divide, or a size overflows.
    pub fn output(&self) -> Option<[usize; 2]> {
        if self.groups == 0
            || !self.c_in.is_multiple_of(self.groups)
            || !self.c_out.is_multiple_of(self.groups)
        {
            return None;
        }
        let mut output = [0; 2];
        for d in 0..2 {
            let reach = self.kernel[d]
                .checked_sub(1)?
                .checked_mul(self.dilation[d].max(1))?
                .checked_add(1)?;
            let padded = self.input[d]
                .checked_add(self.padding[d][0])?
                .checked_add(self.padding[d][1])?;
            if self.stride[d] == 0 || self.dilation[d] == 0 || isize::try_from(padded).is_err() {
                return None;
            }
            output[d] = padded.checked_sub(reach)? / self.stride[d] + 1;
        }
        Some(output)
    }

    #[track_caller]
    fn geometry(&self) -> Geometry {
        let output = self
            .output()
            .expect("convolution whose shape was not validated");
        Geometry {
            batch: self.batch,
            groups: self.groups,
            c_in: self.c_in / self.groups,
            c_out: self.c_out / self.groups,
            input: self.input,
            output,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            origin: [
                -(self.padding[0][0] as isize),
                -(self.padding[1][0] as isize),
            ],
        }
    }
}

/// A convolution inside this module: channels are those of one group, and padding is the place of the first tap, so that cropping
/// (negative padding, which input gradients need) is the same thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Input row and column under the first tap of the first output.
    pub(crate) origin: [isize; 2],
}

impl Geometry {
    /// Length of the inner product: `c_in · kh · kw` of one group.
    pub(crate) fn inner(&self) -> usize {
        self.c_in * self.kernel[0] * self.kernel[1]
    }

    /// Outputs of one channel of one image.
    pub(crate) fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The convolution of the output's gradient with the turned kernel that gives the input's, at stride 1.
    fn turned(&self) -> Self {
        let reach = |d: usize| ((self.kernel[d] - 1) * self.dilation[d]) as isize;
        Self {
            c_in: self.c_out,
            c_out: self.c_in,
            input: self.output,
            output: self.input,
            origin: [0, 1].map(|d| -reach(d) - self.origin[d]),
            ..*self
        }
    }

    /// Whether each output is a product over the channels of one input pixel, in the same order of pixels.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.origin == [0, 0]
            && self.output == self.input
    }

    /// Whether the kernel reaches so far over the image that a padded copy would be mostly padding, or not fit the memory.
    fn is_far(&self) -> bool {
        (0..2).any(|d| (self.kernel[d] - 1) * self.dilation[d] > 16 * (self.input[d] + 64))
    }

    /// Whether the direct kernels win: the padded rows they walk waste little, or there are too few channels for a product.
    fn suits_direct(&self) -> bool {
        let phases = self.stride[0].min(self.kernel[0]) * self.stride[1].min(self.kernel[1]);
        if phases > 16 || self.c_in == 0 {
            return false;
        }
        let pitch = self.output[1] + (self.kernel[1] - 1) * self.dilation[1] / self.stride[1];
        self.c_out < 32 || (self.output[1] >= 10 && self.output[1] * 4 >= pitch * 3)
    }
}

/// `dst = x ⋆ weight + bias`; `(N, C, H, W), (C_out, C / groups, KH, KW), (C_out,) -> (N, C_out, OH, OW)`, `dst` contiguous.
///
/// # Numerics
/// Sums run over channel, kernel row, kernel column, in parts whose size depends on the shapes only. Padding is never multiplied by
/// more than 0, so infinities meet padding as in the formula: `0 · weight`. Minimal filtering has up to four times the error of the direct
/// kernels; where it would give a value that is not finite, the direct kernels compute all of the result.
///
/// # Panics
/// If the shapes do not fit `conv`: a bug of the caller, ops have validated them.
pub fn conv2d<T: Float>(
    dst: &mut [T],
    x: View<'_, T>,
    weight: View<'_, T>,
    bias: Option<&[T]>,
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
        "conv2d: destination has the wrong length"
    );
    assert!(
        bias.is_none_or(|b| b.len() == conv.c_out),
        "conv2d: one bias per output channel"
    );
    with_contiguous(weight, |weight| {
        if g.is_far() {
            return with_contiguous(x, |x| plain::forward(dst, x, weight, bias, &g));
        }
        forward(dst, Images::new(x), weight, bias, &g);
    });
}

fn forward<T: Float>(
    dst: &mut [T],
    x: Images<'_, T>,
    weight: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
) {
    if dst.is_empty() || by_winograd(dst, x, weight, false, bias, g) {
        return;
    }
    if images::suits_forward::<T>(g)
        && let (Some(dst), Some(x), Some(weight)) = (as_f32_mut(dst), x.as_f32(), as_f32(weight))
    {
        return images::forward(dst, x, weight, bias.and_then(as_f32), g);
    }
    if g.is_pointwise() && g.c_out >= 4 && x.rows_merge(g.input) && g.positions() >= 32 {
        by_gemm::pointwise(dst, x, weight, bias, g);
    } else if g.suits_direct() {
        direct::forward(dst, x, weight, bias, g);
    } else {
        by_gemm::forward(dst, x, weight, bias, g);
    }
}

/// Minimal filtering, with the weight of `g` or the one that is to be turned to it; says whether `dst` has the result: not if the method
/// does not suit, or a result is not finite.
fn by_winograd<T: Float>(
    dst: &mut [T],
    x: Images<'_, T>,
    weight: &[T],
    turned: bool,
    bias: Option<&[T]>,
    g: &Geometry,
) -> bool {
    if !winograd::suits::<T>(g) {
        return false;
    }
    let (Some(dst), Some(x), Some(values)) = (as_f32_mut(dst), x.as_f32(), as_f32(weight)) else {
        return false;
    };
    let weight = winograd::Weight { values, turned };
    winograd::forward(dst, x, weight, bias.and_then(as_f32), g)
}

/// Gradient of [`conv2d`] with respect to `x`; `(N, C_out, OH, OW), weight -> (N, C, H, W)`, `dst` contiguous.
///
/// It is also the forward of a transposed convolution. Stride 1 is a convolution with the turned kernel; otherwise columns are
/// formed by a product and added to the image in a fixed order.
///
/// # Panics
/// If the shapes do not fit `conv`: a bug of the caller.
pub fn conv2d_grad_input<T: Float>(
    dst: &mut [T],
    grad_out: View<'_, T>,
    weight: View<'_, T>,
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
    let pixels = conv.input[0] * conv.input[1];
    assert_eq!(
        dst.len(),
        conv.batch * conv.c_in * pixels,
        "conv2d_grad_input: destination has the wrong length"
    );
    if g.is_far() {
        return with_contiguous(grad_out, |grad_out| {
            with_contiguous(weight, |weight| {
                plain::grad_input(dst, grad_out, weight, &g)
            });
        });
    }
    let grad_out = Images::new(grad_out);
    with_contiguous(weight, |weight| {
        if g.stride != [1, 1] {
            return by_gemm::grad_input(dst, grad_out, weight, &g, Precision::Full);
        }
        let turned = g.turned();
        if dst.is_empty() || by_winograd(dst, grad_out, weight, true, None, &turned) {
            return;
        }
        with_scratch(weight.len(), |swapped| {
            turn_weight(swapped, weight, &g);
            forward(dst, grad_out, swapped, None, &turned);
        });
    });
}

/// `dst[group, ci, co, taps reversed] = weight[group, co, ci, taps]`.
fn turn_weight<T: Float>(dst: &mut [T], weight: &[T], g: &Geometry) {
    let taps = g.kernel[0] * g.kernel[1];
    if weight.is_empty() {
        return;
    }
    for_each_chunk_mut(dst, g.c_out * taps, |row, dst| {
        let (group, ci) = (row / g.c_in, row % g.c_in);
        for (co, dst) in dst.chunks_exact_mut(taps).enumerate() {
            let start = ((group * g.c_out + co) * g.c_in + ci) * taps;
            for (d, &w) in dst.iter_mut().zip(weight[start..start + taps].iter().rev()) {
                *d = w;
            }
        }
    });
}

/// Gradient of [`conv2d`] with respect to `weight`; `(N, C_out, OH, OW), (N, C, H, W) -> (C_out, C / groups, KH, KW)`, `dst` contiguous.
///
/// Images are taken in fixed blocks whose sums are added in order.
///
/// # Panics
/// If the shapes do not fit `conv`: a bug of the caller.
pub fn conv2d_grad_weight<T: Float>(
    dst: &mut [T],
    grad_out: View<'_, T>,
    x: View<'_, T>,
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
        "conv2d_grad_weight: destination has the wrong length"
    );
    dst.fill(T::ZERO);
    if dst.is_empty() || conv.batch == 0 {
        return;
    }
    if g.is_far() {
        return with_contiguous(grad_out, |grad_out| {
            with_contiguous(x, |x| plain::grad_weight(dst, grad_out, x, &g));
        });
    }
    let (grad_out, x) = (Images::new(grad_out), Images::new(x));
    if winograd::suits_grad_weight::<T>(&g)
        && let (Some(dst), Some(grad_out), Some(x)) =
            (as_f32_mut(dst), grad_out.as_f32(), x.as_f32())
    {
        if winograd::grad_weight(dst, grad_out, x, &g) {
            return;
        }
        dst.fill(0.0);
    }
    if by_channels::suits::<T>(&g)
        && let (Some(dst), Some(grad_out), Some(x)) =
            (as_f32_mut(dst), grad_out.as_f32(), x.as_f32())
    {
        return by_channels::grad_weight(dst, grad_out, x, &g);
    }
    if images::suits::<T>(&g)
        && let (Some(dst), Some(grad_out), Some(x)) =
            (as_f32_mut(dst), grad_out.as_f32(), x.as_f32())
    {
        return images::grad_weight(dst, grad_out, x, &g);
    }
    if !(g.suits_direct() && direct::grad_weight(dst, grad_out, x, &g)) {
        by_gemm::grad_weight(dst, grad_out, x, &g);
    }
}

/// Gradient of [`conv2d`] with respect to its bias: `dst[c] = Σ grad_out[n, c, y, x]`; `(N, C_out, OH, OW) -> (C_out,)`.
///
/// # Numerics
/// Rows are summed in 16 lanes of the dtype, rows and images in f64.
pub fn conv2d_grad_bias<T: Float>(dst: &mut [T], grad_out: View<'_, T>) {
    let dims: [usize; 4] = grad_out
        .shape()
        .dims()
        .try_into()
        .expect("conv2d_grad_bias: rank is not 4");
    assert_eq!(dst.len(), dims[1], "conv2d_grad_bias: one sum per channel");
    let images = Images::new(grad_out);
    let [batch, _, height, width] = dims;
    let per_task = (1 << 14) / (batch * height * width).max(1);
    for_each_chunk_mut(dst, per_task.max(1), |task, dst| {
        for (i, dst) in dst.iter_mut().enumerate() {
            let channel = task * per_task.max(1) + i;
            let mut sum = 0.0;
            for n in 0..batch {
                if images.rows_merge([height, width]) && images.is_unit() {
                    sum += crate::pool::sum(images.run(n, channel, height * width));
                } else {
                    sum += (0..height)
                        .flat_map(|y| (0..width).map(move |x| (y, x)))
                        .map(|(y, x)| images.at(n, channel, y, x).to_f64())
                        .sum::<f64>();
                }
            }
            *dst = T::from_f64(sum);
        }
    });
}

#[track_caller]
fn check<T: Float>(view: &View<'_, T>, dims: [usize; 4]) {
    assert_eq!(
        view.shape().dims(),
        dims,
        "convolution operand has the wrong shape"
    );
}

/// Runs `f` with the elements of `view` in row-major order: itself, or a copy in scratch.
pub(crate) fn with_contiguous<T: Float, R>(view: View<'_, T>, f: impl FnOnce(&[T]) -> R) -> R {
    match view.as_slice() {
        Some(slice) => f(slice),
        None => with_scratch(view.shape().numel(), |copy| {
            for (c, v) in copy.iter_mut().zip(view.iter()) {
                *c = v;
            }
            f(copy)
        }),
    }
}

#[cfg(test)]
mod tests;
