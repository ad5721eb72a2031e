//! Weight gradients with 16 channels of a pixel side by side: nothing is gathered for each tap, as the pixels under neighbouring taps of a row
//! follow one another. In f32, for convolutions that minimal filtering does not fit, such as those with a stride.

use gradus_tensor::DType;

use super::Geometry;
use super::pixels::{Across, Rows};
use super::product::{PANEL, Products};
use super::turn::LANES;
use crate::float::Float;
use crate::im2col::Images;
use crate::scratch::{SharedMut, with_scratch};
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Elements of the staged images of a block, about: 4 MiB.
const STAGED: usize = 1 << 20;
/// Elements of one staged image at most: 16 MiB.
const MAX_IMAGE: usize = 1 << 22;

/// Whether the way applies, and pays (measured on Zen 4, one thread, 3 × 3 with stride 2, in ms: 64 images, 64 to 128 channels of 32 × 32: 34,
/// direct kernels 62; 8 images, 128 to 256 channels of 28 × 28: 10.6 and 29.6; 256 to 512 channels of 14 × 14, where products of columns
/// run: 13.7 and 11.3).
pub(super) fn suits<T: Float>(g: &Geometry) -> bool {
    let staged = Staged::of(g);
    T::DTYPE == DType::F32
        && g.groups == 1
        && g.suits_direct()
        && g.kernel != [1, 1]
        && g.dilation[1] == 1
        && g.c_in >= LANES
        && g.c_out >= PANEL
        && g.batch * g.positions() >= LANES
        && staged.pixels + staged.grads <= MAX_IMAGE
        && !crate::simd::is_baseline()
}

/// How images are staged.
#[derive(Clone, Copy)]
struct Staged {
    /// Rows and columns of the input under the outputs.
    sides: [usize; 2],
    groups: usize,
    panels: usize,
    /// Elements of one image, of input and gradient.
    pixels: usize,
    grads: usize,
}

impl Staged {
    fn of(g: &Geometry) -> Self {
        let sides = [0, 1].map(|d| {
            (g.output[d].max(1) - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d] + 1
        });
        let (groups, panels) = (g.c_in.div_ceil(LANES), g.c_out.div_ceil(PANEL));
        Self {
            sides,
            groups,
            panels,
            pixels: sides[0] * sides[1] * groups * LANES,
            grads: g.positions() * panels * PANEL,
        }
    }
}

/// Copies up to [`LANES`] channels of rows of one image to `dst[y][x]`, pixels `apart`; what lies outside of an image of `sides`, and channels
/// that there are not, are 0. `dst` has room for `LANES` pixels behind a last row that is rounded up to them.
pub(super) fn stage(
    dst: &mut [f32],
    apart: usize,
    source: Images<'_, f32>,
    [n, first]: [usize; 2],
    channels: usize,
    origin: [isize; 2],
    sides: [usize; 2],
    [height, width]: [usize; 2],
) {
    let across = Across::Channels {
        n,
        channels: first..first + channels,
    };
    let pixels = Rows {
        source,
        sides,
        x: origin[1],
        width,
        apart,
    };
    with_scratch(Rows::space(width), |space: &mut [f32]| {
        space.fill(0.0);
        for row in 0..height {
            let dst = &mut dst[row * width * apart..];
            pixels.write(dst, space, origin[0] + row as isize, &across);
        }
    });
}

/// See [`super::conv2d_grad_weight`]. Images are taken in blocks, whose products are added in order.
pub(super) fn grad_weight(
    dst: &mut [f32],
    grad_out: Images<'_, f32>,
    x: Images<'_, f32>,
    g: &Geometry,
) {
    let staged = Staged::of(g);
    let images = (STAGED / (staged.pixels + staged.grads)).clamp(1, g.batch);
    let sums_len = staged.groups * g.kernel[0] * g.kernel[1] * LANES * staged.panels * PANEL;
    with_scratch(sums_len, |sums: &mut [f32]| {
        for first in (0..g.batch).step_by(images) {
            let count = images.min(g.batch - first);
            add_block(sums, grad_out, x, g, staged, [first, count]);
        }
        for_each_chunk_mut(dst, LANES * g.inner(), |group, dst| {
            collect(dst, sums, group * LANES, staged, g);
        });
    });
}

/// Adds the products of `count` images to `sums[group][ky][kx][lane][co]`; the first images of all replace them.
fn add_block(
    sums: &mut [f32],
    grad_out: Images<'_, f32>,
    x: Images<'_, f32>,
    g: &Geometry,
    staged: Staged,
    [first, count]: [usize; 2],
) {
    let Staged {
        sides,
        groups,
        panels,
        ..
    } = staged;
    let positions = g.positions();
    let (image, of_grads) = (sides[0] * sides[1] * LANES, positions * PANEL);
    // Squares reach beyond the last row.
    let (of_group, of_panel) = (
        count * image + 2 * LANES * LANES,
        count * of_grads + 2 * LANES * PANEL,
    );
    with_scratch(
        groups * of_group + panels * of_panel,
        |scratch: &mut [f32]| {
            let (pixels, grads) = scratch.split_at_mut(groups * of_group);
            let (pixels_out, grads_out) = (SharedMut::new(pixels), SharedMut::new(grads));
            for_each_block(groups + panels, 1, |unit, _| {
                if unit < groups {
                    let start = unit * of_group;
                    // SAFETY: this unit alone writes this group.
                    let dst = unsafe { pixels_out.range(start..start + of_group) };
                    let channels = LANES.min(g.c_in - unit * LANES);
                    for n in 0..count {
                        let from = [first + n, unit * LANES];
                        let dst = &mut dst[n * image..];
                        stage(dst, LANES, x, from, channels, g.origin, g.input, sides);
                    }
                    return;
                }
                let start = (unit - groups) * of_panel;
                // SAFETY: this unit alone writes this panel.
                let dst = unsafe { grads_out.range(start..start + of_panel) };
                for half in 0..PANEL / LANES {
                    let channel = (unit - groups) * PANEL + half * LANES;
                    let channels = LANES.min(g.c_out.saturating_sub(channel));
                    for n in 0..count {
                        let dst = &mut dst[n * of_grads + half * LANES..];
                        if channels == 0 {
                            dst.chunks_mut(PANEL)
                                .take(positions)
                                .for_each(|d| d[..LANES].fill(0.0));
                        } else {
                            let from = [first + n, channel];
                            stage(
                                dst,
                                PANEL,
                                grad_out,
                                from,
                                channels,
                                [0, 0],
                                g.output,
                                g.output,
                            );
                        }
                    }
                }
            });
            let [kh, kw] = g.kernel;
            let [oh, ow] = g.output;
            let out = SharedMut::new(sums);
            for_each_block(groups * panels, 1, |unit, _| {
                let (group, panel) = (unit / panels, unit % panels);
                for ky in 0..kh {
                    let row = ky * g.dilation[0] * sides[1] * LANES;
                    let job = Products {
                        planes: 1,
                        rows: kw * LANES,
                        terms: [count, oh, ow],
                        panels: 1,
                        left: pixels[group * of_group + row..].as_ptr(),
                        left_strides: [0, g.stride[1] * LANES],
                        left_steps: [image, g.stride[0] * sides[1] * LANES],
                        by_terms: true,
                        right: grads[panel * of_panel..].as_ptr(),
                        right_strides: [0, PANEL, 0],
                        right_steps: [of_grads, ow * PANEL],
                        out: out.pointer().wrapping_add(
                            (group * kh + ky) * kw * LANES * panels * PANEL + panel * PANEL,
                        ),
                        out_strides: [0, panels * PANEL],
                        fresh: first == 0,
                    };
                    // SAFETY: the staged images hold all rows under the outputs, and this unit alone uses these sums.
                    unsafe { job.run() };
                }
            });
        },
    );
}

/// Copies the sums of up to 16 output channels from `first` on to their place in the gradient, `dst[lane][ci][ky][kx]`.
fn collect(dst: &mut [f32], sums: &[f32], first: usize, staged: Staged, g: &Geometry) {
    let [kh, kw] = g.kernel;
    let (inner, pitch) = (g.inner(), staged.panels * PANEL);
    let lanes = dst.len() / inner;
    for ci in 0..g.c_in {
        for tap in 0..kh * kw {
            let row = (ci / LANES * kh * kw + tap) * LANES + ci % LANES;
            let values = &sums[row * pitch + first..][..lanes];
            for (lane, &v) in values.iter().enumerate() {
                dst[lane * inner + ci * kh * kw + tap] = v;
            }
        }
    }
}
