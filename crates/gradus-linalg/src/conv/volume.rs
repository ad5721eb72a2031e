//! 3-D convolution and its gradients by the 2-D kernels: an output plane is a 2-D convolution of the input planes under the taps of
//! its depth, which count as channels `(c, kd)`.
//!
//! Planes are gathered for a slab of output depths at a time; slabs are cut by shape and taken in order.
//! Dims: N batch, C channels, D, H, W input, O output, K kernel, S = H · W.

use gradus_tensor::{Layout, Shape, View};

use super::{Conv2d, conv2d, conv2d_grad_input, conv2d_grad_weight};
use crate::float::Float;
use crate::scratch::with_scratch;
use crate::threads::for_each_chunk_mut;

/// Elements of the planes that a slab gathers: 8 MiB of f32; few in tests, so that small volumes have several slabs.
const PLANES: usize = if cfg!(test) { 64 } else { 1 << 21 };

/// Shapes and parameters of a convolution over `[depth, height, width]`; see [`Conv2d`]. One of images has depth 1 and kernel depth 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv3d {
    /// N
    pub batch: usize,
    /// Input channels, a multiple of `groups`.
    pub c_in: usize,
    /// Output channels, a multiple of `groups`.
    pub c_out: usize,
    /// Channels are cut into this many independent convolutions; not 0.
    pub groups: usize,
    /// Input sides.
    pub input: [usize; 3],
    /// Kernel sides, none of them 0.
    pub kernel: [usize; 3],
    /// Steps of the window, none of them 0.
    pub stride: [usize; 3],
    /// Zeros added before and after each side.
    pub padding: [[usize; 2]; 3],
    /// Distances between taps, none of them 0.
    pub dilation: [usize; 3],
}

impl Conv3d {
    /// The same with one depth: the convolution of each plane.
    pub fn plane(&self) -> Conv2d {
        let two = |all: [usize; 3]| [all[1], all[2]];
        Conv2d {
            batch: self.batch,
            c_in: self.c_in,
            c_out: self.c_out,
            groups: self.groups,
            input: two(self.input),
            kernel: two(self.kernel),
            stride: two(self.stride),
            padding: [self.padding[1], self.padding[2]],
            dilation: two(self.dilation),
        }
    }

    /// Output sides; `None` as [`Conv2d::output`].
    pub fn output(&self) -> Option<[usize; 3]> {
        let [height, width] = self.plane().output()?;
        let depth = Conv2d {
            input: [self.input[0], 1],
            kernel: [self.kernel[0], 1],
            stride: [self.stride[0], 1],
            padding: [self.padding[0], [0, 0]],
            dilation: [self.dilation[0], 1],
            ..self.plane()
        };
        Some([depth.output()?[0], height, width])
    }

    /// The 2-D convolution that gives `depths` output planes of one image.
    fn of_planes(&self, depths: usize) -> Conv2d {
        Conv2d {
            batch: depths,
            c_in: self.c_in * self.kernel[0],
            ..self.plane()
        }
    }

    /// The input plane under tap `tap` of output depth `depth`, unless it is padding.
    fn depth_of(&self, depth: usize, tap: usize) -> Option<usize> {
        let place = depth * self.stride[0] + tap * self.dilation[0];
        let at = place.checked_sub(self.padding[0][0])?;
        (at < self.input[0]).then_some(at)
    }

    /// Output depths of one slab.
    fn slab(&self) -> usize {
        let one = self.c_in * self.kernel[0] * self.input[1] * self.input[2];
        (PLANES / one.max(1)).max(1)
    }

    fn sizes(&self) -> Sizes {
        let output = self
            .output()
            .expect("convolution whose shape was not validated");
        let plane = self.input[1] * self.input[2];
        Sizes {
            plane,
            image: self.c_in * self.input[0] * plane,
            depths: output[0],
            out_plane: output[1] * output[2],
            out_sides: [output[1], output[2]],
            out_image: self.c_out * output[0] * output[1] * output[2],
        }
    }

    fn weight_dims(&self) -> [usize; 4] {
        let per_group = self.c_in / self.groups * self.kernel[0];
        [self.c_out, per_group, self.kernel[1], self.kernel[2]]
    }
}

/// Numbers of elements.
struct Sizes {
    plane: usize,
    image: usize,
    depths: usize,
    out_plane: usize,
    out_sides: [usize; 2],
    out_image: usize,
}

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).expect("sizes of tensors that exist")
}

fn view<'a, T: Float>(data: &'a [T], dims: &[usize]) -> View<'a, T> {
    View::contiguous(data, shape(dims)).expect("length and dims agree")
}

/// Output planes `first..first + count` of one image `(O, OD, OH, OW)` as `(count, O, OH, OW)`.
fn out_planes<'a, T: Float>(
    image: &'a [T],
    first: usize,
    count: usize,
    conv: &Conv3d,
    sizes: &Sizes,
) -> View<'a, T> {
    let [oh, ow] = sizes.out_sides;
    let (plane, channel) = (
        sizes.out_plane as isize,
        (sizes.depths * sizes.out_plane) as isize,
    );
    let dims = shape(&[count, conv.c_out, oh, ow]);
    let strides = [plane, channel, ow as isize, 1];
    let layout = Layout::strided(dims, &strides, first * sizes.out_plane);
    View::new(image, &layout.expect("sizes of tensors that exist")).expect("planes of this image")
}

/// `columns[depth, (c, tap)] = image[c, depth_of(first + depth, tap)]`, or zeros.
fn gather<T: Float>(columns: &mut [T], image: &[T], first: usize, conv: &Conv3d, sizes: &Sizes) {
    let (taps, plane) = (conv.kernel[0], sizes.plane);
    for_each_chunk_mut(columns, taps * plane, |at, dst| {
        let (depth, c) = (first + at / conv.c_in, at % conv.c_in);
        for (tap, dst) in dst.chunks_exact_mut(plane).enumerate() {
            match conv.depth_of(depth, tap) {
                Some(z) => {
                    let start = (c * conv.input[0] + z) * plane;
                    dst.copy_from_slice(&image[start..start + plane]);
                }
                None => dst.fill(T::ZERO),
            }
        }
    });
}

/// Adds columns back to the planes that they came from, depth by depth, tap by tap.
fn add_back<T: Float>(image: &mut [T], columns: &[T], first: usize, conv: &Conv3d, sizes: &Sizes) {
    let (taps, plane) = (conv.kernel[0], sizes.plane);
    let depths = columns.len() / (conv.c_in * taps * plane);
    for_each_chunk_mut(image, conv.input[0] * plane, |c, channel| {
        for (depth, tap) in (0..depths).flat_map(|d| (0..taps).map(move |tap| (d, tap))) {
            if let Some(z) = conv.depth_of(first + depth, tap) {
                let start = ((depth * conv.c_in + c) * taps + tap) * plane;
                let src = &columns[start..start + plane];
                for (d, &v) in channel[z * plane..][..plane].iter_mut().zip(src) {
                    *d += v;
                }
            }
        }
    });
}

/// `dst = x ⋆ weight + bias`; `(N, C, D, H, W), (C_out, C / groups, KD, KH, KW), (C_out,) -> (N, C_out, OD, OH, OW)`, all contiguous.
///
/// # Panics
/// If lengths do not fit `conv`: a bug of the caller, ops have validated them.
pub fn conv3d<T: Float>(dst: &mut [T], x: &[T], weight: &[T], bias: Option<&[T]>, conv: &Conv3d) {
    let sizes = conv.sizes();
    if dst.is_empty() {
        return;
    }
    let weight = view(weight, &conv.weight_dims());
    for (n, dst) in dst.chunks_exact_mut(sizes.out_image).enumerate() {
        let image = &x[n * sizes.image..][..sizes.image];
        for first in (0..sizes.depths).step_by(conv.slab()) {
            let count = conv.slab().min(sizes.depths - first);
            let g = conv.of_planes(count);
            let (gathered, made) = (
                count * g.c_in * sizes.plane,
                count * conv.c_out * sizes.out_plane,
            );
            with_scratch(gathered + made, |scratch| {
                let (columns, planes) = scratch.split_at_mut(gathered);
                if sizes.plane > 0 {
                    gather(columns, image, first, conv, &sizes);
                }
                let dims = [count, g.c_in, g.input[0], g.input[1]];
                conv2d(planes, view(columns, &dims), weight, bias, &g);
                for_each_chunk_mut(dst, sizes.depths * sizes.out_plane, |c, channel| {
                    for depth in 0..count {
                        let from = (depth * conv.c_out + c) * sizes.out_plane;
                        channel[(first + depth) * sizes.out_plane..][..sizes.out_plane]
                            .copy_from_slice(&planes[from..from + sizes.out_plane]);
                    }
                });
            });
        }
    }
}

/// Gradient of [`conv3d`] with respect to `x`; the forward of a transposed convolution.
///
/// # Panics
/// If lengths do not fit `conv`: a bug of the caller.
pub fn conv3d_grad_input<T: Float>(dst: &mut [T], grad_out: &[T], weight: &[T], conv: &Conv3d) {
    let sizes = conv.sizes();
    dst.fill(T::ZERO);
    if dst.is_empty() || conv.c_out == 0 {
        return;
    }
    let weight = view(weight, &conv.weight_dims());
    for (n, dst) in dst.chunks_exact_mut(sizes.image).enumerate() {
        let image = &grad_out[n * sizes.out_image..][..sizes.out_image];
        for first in (0..sizes.depths).step_by(conv.slab()) {
            let count = conv.slab().min(sizes.depths - first);
            let g = conv.of_planes(count);
            with_scratch(count * g.c_in * sizes.plane, |columns| {
                let grads = out_planes(image, first, count, conv, &sizes);
                conv2d_grad_input(columns, grads, weight, &g);
                add_back(dst, columns, first, conv, &sizes);
            });
        }
    }
}

/// Gradient of [`conv3d`] with respect to `weight`.
///
/// # Panics
/// If lengths do not fit `conv`: a bug of the caller.
pub fn conv3d_grad_weight<T: Float>(dst: &mut [T], grad_out: &[T], x: &[T], conv: &Conv3d) {
    let sizes = conv.sizes();
    dst.fill(T::ZERO);
    if dst.is_empty() || sizes.plane * conv.c_in == 0 {
        return;
    }
    for n in 0..conv.batch {
        let image = &x[n * sizes.image..][..sizes.image];
        let grads = &grad_out[n * sizes.out_image..][..sizes.out_image];
        for first in (0..sizes.depths).step_by(conv.slab()) {
            let count = conv.slab().min(sizes.depths - first);
            let g = conv.of_planes(count);
            let gathered = count * g.c_in * sizes.plane;
            with_scratch(gathered + dst.len(), |scratch| {
                let (columns, part) = scratch.split_at_mut(gathered);
                gather(columns, image, first, conv, &sizes);
                let grads = out_planes(grads, first, count, conv, &sizes);
                let dims = [count, g.c_in, g.input[0], g.input[1]];
                conv2d_grad_weight(part, grads, view(columns, &dims), &g);
                for (d, &p) in dst.iter_mut().zip(&*part) {
                    *d += p;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use gradus_random::Rng;

    use super::*;

    fn numbers(n: usize, stream: u64) -> Vec<f64> {
        let mut rng = Rng::new(7, stream, 0);
        (0..n).map(|_| rng.range(-2.0, 2.0)).collect()
    }

    const CONV: Conv3d = Conv3d {
        batch: 2,
        c_in: 4,
        c_out: 6,
        groups: 2,
        input: [7, 4, 5],
        kernel: [3, 2, 3],
        stride: [2, 1, 2],
        padding: [[1, 2], [1, 0], [1, 1]],
        dilation: [2, 1, 1],
    };

    /// By the definition: what each output reads, with the weight that it is multiplied by.
    fn each(conv: &Conv3d, mut f: impl FnMut(usize, usize, usize)) {
        let out = conv.output().unwrap();
        let (ci, co) = (conv.c_in / conv.groups, conv.c_out / conv.groups);
        let unfold = |mut i: usize, dims: &[usize]| {
            let mut at = vec![0; dims.len()];
            for (a, &dim) in at.iter_mut().zip(dims).rev() {
                (*a, i) = (i % dim, i / dim);
            }
            at
        };
        let (o, k) = (
            [conv.batch, conv.c_out, out[0], out[1], out[2]],
            [ci, conv.kernel[0], conv.kernel[1], conv.kernel[2]],
        );
        for i in 0..o.iter().product() {
            let at = unfold(i, &o);
            for w in 0..k.iter().product() {
                let tap = unfold(w, &k);
                let mut x = at[0] * conv.c_in + at[1] / co * ci + tap[0];
                let inside = (0..3).all(|d| {
                    let place = at[2 + d] * conv.stride[d] + tap[1 + d] * conv.dilation[d];
                    let place = place.wrapping_sub(conv.padding[d][0]);
                    x = x.wrapping_mul(conv.input[d]).wrapping_add(place);
                    place < conv.input[d]
                });
                if inside {
                    f(i, x, at[1] * k.iter().product::<usize>() + w);
                }
            }
        }
    }

    #[test]
    fn museum_32_all_three_kernels_over_several_slabs_match_the_definition() {
        let wider = Conv3d {
            kernel: [1, 2, 3],
            groups: 1,
            ..CONV
        };
        for conv in [CONV, wider] {
            let out: usize = conv.output().unwrap().iter().product();
            let sides: usize = conv.input.iter().product();
            let taps: usize = conv.kernel.iter().product();
            let x = numbers(conv.batch * conv.c_in * sides, 1);
            let weight = numbers(conv.c_out * conv.c_in / conv.groups * taps, 2);
            let bias = numbers(conv.c_out, 3);
            let grad = numbers(conv.batch * conv.c_out * out, 4);
            let mut y: Vec<f64> = (0..grad.len())
                .map(|i| bias[i / out % conv.c_out])
                .collect();
            let (mut grad_x, mut grad_w) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
            each(&conv, |o, i, w| {
                y[o] += x[i] * weight[w];
                grad_x[i] += grad[o] * weight[w];
                grad_w[w] += grad[o] * x[i];
            });
            let check = |got: &[f64], want: &[f64]| {
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() < 1e-11, "{got} {want}");
                }
            };
            let mut got = vec![f64::NAN; y.len()];
            conv3d(&mut got, &x, &weight, Some(&bias), &conv);
            check(&got, &y);
            let mut got = vec![f64::NAN; x.len()];
            conv3d_grad_input(&mut got, &grad, &weight, &conv);
            check(&got, &grad_x);
            let mut got = vec![f64::NAN; weight.len()];
            conv3d_grad_weight(&mut got, &grad, &x, &conv);
            check(&got, &grad_w);
        }
    }
}
