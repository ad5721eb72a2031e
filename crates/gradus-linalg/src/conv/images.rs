//! Convolutions of few channels over many images, with 16 images side by side in the lanes of a register. In f32 only.
//!
//! No place between rows is computed in vain, as by the direct kernels on small maps, and all loads are aligned. Images are turned to
//! `[channel][row][column][lane]` with their padding, and outputs back, in squares of 16 × 16. Groups of 16 images are independent; their
//! weight gradients are added in order.

use std::ops::Range;

use gradus_tensor::DType;
use pulp::{Simd, WithSimd};

use super::Geometry;
use super::pixels::{Across, Rows};
use super::turn::{LANES, Squares};
use crate::float::Float;
use crate::im2col::Images;
use crate::scratch::{SharedMut, with_scratch};
use crate::threads::for_each_block;

/// Output channels of a tile.
const HEIGHT: usize = super::micro::PANEL;
/// Terms of one chain at most.
const MAX_TERMS: usize = 512;
/// Elements of the copy of 16 images at most: 512 KiB.
const MAX_COPY: usize = 1 << 17;
/// Elements of the gradients of a tile's channels that a weight's gradient takes at a time: half of a cache of 32 KiB.
const GRADS: usize = 1 << 12;
/// Channels up to which the direct kernels leave more lanes idle than this way costs in turning.
const MAX_CHANNELS: usize = 16;

/// Fewer images would leave threads idle, as a group of 16 is the least work of one (128 images were measured, see `suits`; the limit itself was not
/// varied).
const MIN_IMAGES: usize = 4 * LANES;

/// Whether the way applies, and pays (measured on Zen 4, one thread, 128 images, in GFLOP/s: 3 to 6 channels, 5 × 5 on 32 × 32 pixels:
/// forward 96, weight's gradient 91, where the direct kernels have 85 and 65; 6 to 16 channels on 14 × 14: forward 106, input's gradient 75,
/// weight's gradient 93, where they have 63, 39 and 51; all of 115).
pub(super) fn suits<T: Float>(g: &Geometry) -> bool {
    T::DTYPE == DType::F32
        && g.groups == 1
        && g.c_in > 0
        && g.c_in.min(g.c_out) <= MAX_CHANNELS
        && g.kernel != [1, 1]
        && g.positions() > 0
        && g.inner() <= MAX_TERMS
        // Several threads have work, and at most a quarter of the lanes idle in the last group.
        && g.batch >= MIN_IMAGES
        && 4 * g.batch >= 3 * g.batch.next_multiple_of(LANES)
        && Copies::of(g).sides.iter().product::<usize>() * g.c_in * LANES <= MAX_COPY
        && !crate::simd::is_baseline()
}

/// Whether [`forward`] takes the convolution: with many outputs the direct kernels fill their lanes.
pub(super) fn suits_forward<T: Float>(g: &Geometry) -> bool {
    g.c_out < 32 && suits::<T>(g)
}

/// The padded copy of the input of 16 images.
#[derive(Clone, Copy)]
struct Copies {
    /// Rows and columns under the outputs.
    sides: [usize; 2],
}

impl Copies {
    fn of(g: &Geometry) -> Self {
        Self {
            sides: [0, 1].map(|d| {
                (g.output[d].max(1) - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d] + 1
            }),
        }
    }

    fn len(self, channels: usize) -> usize {
        channels * self.sides[0] * self.sides[1] * LANES
    }

    /// Elements from the first output of a row to that of output `(y, x)`.
    fn place(self, g: &Geometry, [y, x]: [usize; 2]) -> usize {
        (y * g.stride[0] * self.sides[1] + x * g.stride[1]) * LANES
    }

    /// Where a tap stands.
    fn tap(self, g: &Geometry, tap: usize) -> usize {
        let [kh, kw] = g.kernel;
        let (c, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
        let row = c * self.sides[0] + ky * g.dilation[0];
        (row * self.sides[1] + kx * g.dilation[1]) * LANES
    }
}

/// Room behind turned rows: a row is written in whole squares.
const SLACK: usize = LANES * LANES;

/// `dst[c][y][x][lane] = images[first + lane][c][origin + (y, x)]`, 0 outside of the images of `sides` and beyond `lanes`; `dst` has [`SLACK`]
/// elements more.
fn gather(
    dst: &mut [f32],
    images: Images<'_, f32>,
    channels: usize,
    lanes: Range<usize>,
    origin: [isize; 2],
    sides: [usize; 2],
    [height, width]: [usize; 2],
) {
    let pixels = Rows {
        source: images,
        sides,
        x: origin[1],
        width,
        apart: LANES,
    };
    with_scratch(Rows::space(width), |space: &mut [f32]| {
        space.fill(0.0);
        for row in 0..channels * height {
            let across = Across::Images {
                images: lanes.clone(),
                channel: row / height,
            };
            let y = origin[0] + (row % height) as isize;
            pixels.write(&mut dst[row * width * LANES..], space, y, &across);
        }
    });
}

/// `dst[lane][position] = values[position][lane]` for the images that there are, rows of `dst` `pitch` apart from `start` on.
fn scatter(out: &SharedMut<'_, f32>, values: &[f32], start: usize, pitch: usize, lanes: usize) {
    let positions = values.len() / LANES;
    let full = if lanes == LANES { positions / LANES } else { 0 };
    let squares = Squares {
        count: full,
        source: values.as_ptr(),
        from: [LANES, LANES * LANES],
        dst: out.pointer().wrapping_add(start),
        to: [pitch, LANES],
    };
    // SAFETY: each image has this channel of as many positions, which its caller alone writes.
    unsafe { squares.turn() };
    for lane in 0..lanes {
        let from = start + lane * pitch;
        // SAFETY: as above.
        let dst = unsafe { out.range(from + full * LANES..from + positions) };
        for (d, values) in dst
            .iter_mut()
            .zip(values[full * LANES * LANES..].chunks_exact(LANES))
        {
            *d = values[lane];
        }
    }
}

/// See [`super::conv2d`].
pub(super) fn forward(
    dst: &mut [f32],
    x: Images<'_, f32>,
    weight: &[f32],
    bias: Option<&[f32]>,
    g: &Geometry,
) {
    let copies = Copies::of(g);
    let (inner, positions) = (g.inner(), g.positions());
    // Rows of taps in the padding are left out, unless that would hide a weight that is not finite: 0 times it is NaN.
    let finite = weight.iter().all(|w| w.is_finite());
    with_scratch(weight.len(), |panels: &mut [f32]| {
        super::direct::pack_panels(panels, weight, g);
        let out = SharedMut::new(dst);
        for_each_block(g.batch, LANES, |_, lanes| {
            let len = copies.len(g.c_in);
            with_scratch(
                len + SLACK + HEIGHT * positions * LANES,
                |scratch: &mut [f32]| {
                    let (copy, values) = scratch.split_at_mut(len + SLACK);
                    gather(
                        copy,
                        x,
                        g.c_in,
                        lanes.clone(),
                        g.origin,
                        g.input,
                        copies.sides,
                    );
                    for first in (0..g.c_out).step_by(HEIGHT) {
                        let rows = HEIGHT.min(g.c_out - first);
                        let mut start = [0.0; HEIGHT];
                        if let Some(bias) = bias {
                            start[..rows].copy_from_slice(&bias[first..first + rows]);
                        }
                        pulp::Arch::new().dispatch(Forward {
                            copy,
                            values,
                            weights: &panels[first * inner..][..rows * inner],
                            start,
                            rows,
                            g,
                            copies,
                            finite,
                        });
                        for r in 0..rows {
                            let start = (lanes.start * g.c_out + first + r) * positions;
                            let values = &values[r * positions * LANES..][..positions * LANES];
                            scatter(&out, values, start, g.c_out * positions, lanes.len());
                        }
                    }
                },
            );
        });
    });
}

/// The outputs of some channels of 16 images: `values[r][position][lane] = start[r] + Σ_t weights[t][r] · copy[tap t of position]`.
struct Forward<'a> {
    copy: &'a [f32],
    values: &'a mut [f32],
    weights: &'a [f32],
    start: [f32; HEIGHT],
    rows: usize,
    g: &'a Geometry,
    copies: Copies,
    finite: bool,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, s: S) {
        match self.rows {
            1 => self.run::<S, 1>(s),
            2 => self.run::<S, 2>(s),
            3 => self.run::<S, 3>(s),
            4 => self.run::<S, 4>(s),
            5 => self.run::<S, 5>(s),
            _ => self.run::<S, 6>(s),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(&mut self, s: S) {
        let [oh, ow] = self.g.output;
        let register = size_of::<S::f32s>() / size_of::<f32>();
        // 32 registers hold 6 rows of 4, 16 hold 6 rows of 2.
        let wide = size_of::<S::f32s>() != 32;
        for y in 0..oh {
            let taps = if self.finite {
                self.taps(y)
            } else {
                0..self.g.kernel[0]
            };
            let mut x = 0;
            while x < ow {
                let rest = ow - x;
                for lane in (0..LANES).step_by(register) {
                    match rest {
                        4.. if wide => self.tile::<S, R, 4>(s, [y, x], lane, taps.clone()),
                        3 if wide => self.tile::<S, R, 3>(s, [y, x], lane, taps.clone()),
                        2.. => self.tile::<S, R, 2>(s, [y, x], lane, taps.clone()),
                        _ => self.tile::<S, R, 1>(s, [y, x], lane, taps.clone()),
                    }
                }
                x += match rest {
                    4.. if wide => 4,
                    3 if wide => 3,
                    2.. => 2,
                    _ => 1,
                };
            }
        }
    }

    /// Rows of the kernel that stand on the image for outputs of row `y`.
    #[inline(always)]
    fn taps(&self, y: usize) -> Range<usize> {
        let g = self.g;
        let top = g.origin[0] + (y * g.stride[0]) as isize;
        let first = (-top).max(0) as usize;
        let first = first.div_ceil(g.dilation[0]).min(g.kernel[0]);
        let room = (g.input[0] as isize - top).max(0) as usize;
        let end = room.div_ceil(g.dilation[0]).min(g.kernel[0]);
        first..end.max(first)
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        s: S,
        [y, x]: [usize; 2],
        lane: usize,
        taps: Range<usize>,
    ) {
        let (g, width) = (self.g, self.copies.sides[1]);
        let [kh, kw] = g.kernel;
        let place = self.copies.place(g, [y, x]) + lane;
        let step = g.stride[1] * LANES;
        let mut sums = [[s.splat_f32s(0.0); V]; R];
        for c in 0..g.c_in {
            for ky in taps.clone() {
                let row = (c * self.copies.sides[0] + ky * g.dilation[0]) * width * LANES;
                let mut source = self.copy.as_ptr().wrapping_add(place + row);
                let mut weights = self.weights.as_ptr().wrapping_add((c * kh + ky) * kw * R);
                for _ in 0..kw {
                    // SAFETY: every tap of every output lies in the copy, which has LANES elements for each pixel; the weights hold R a tap.
                    unsafe {
                        let mut pixels = [s.splat_f32s(0.0); V];
                        for v in 0..V {
                            pixels[v] = source
                                .wrapping_add(v * step)
                                .cast::<S::f32s>()
                                .read_unaligned();
                        }
                        for r in 0..R {
                            let weight = s.splat_f32s(*weights.add(r));
                            for v in 0..V {
                                sums[r][v] = s.mul_add_f32s(weight, pixels[v], sums[r][v]);
                            }
                        }
                    }
                    source = source.wrapping_add(g.dilation[1] * LANES);
                    weights = weights.wrapping_add(R);
                }
            }
        }
        let [oh, ow] = g.output;
        for r in 0..R {
            let start = s.splat_f32s(self.start[r]);
            for v in 0..V {
                let at = ((r * oh + y) * ow + x + v) * LANES + lane;
                let place = self.values[at..at + size_of::<S::f32s>() / 4].as_mut_ptr();
                // SAFETY: the slice has one register.
                unsafe {
                    place
                        .cast::<S::f32s>()
                        .write_unaligned(s.add_f32s(sums[r][v], start));
                }
            }
        }
    }
}

/// See [`super::conv2d_grad_weight`].
pub(super) fn grad_weight(
    dst: &mut [f32],
    grad_out: Images<'_, f32>,
    x: Images<'_, f32>,
    g: &Geometry,
) {
    let copies = Copies::of(g);
    let (inner, positions) = (g.inner(), g.positions());
    let offsets: Vec<usize> = (0..inner).map(|tap| copies.tap(g, tap)).collect();
    let groups = g.batch.div_ceil(LANES);
    with_scratch(groups * dst.len(), |partial: &mut [f32]| {
        let parts = SharedMut::new(partial);
        let size = dst.len();
        for_each_block(g.batch, LANES, |group, lanes| {
            // SAFETY: this task alone writes the sums of its images.
            let part = unsafe { parts.range(group * size..(group + 1) * size) };
            let len = copies.len(g.c_in);
            let grads = HEIGHT * positions * LANES;
            with_scratch(
                len + grads + 2 * SLACK + HEIGHT * inner * LANES,
                |scratch: &mut [f32]| {
                    let (copy, rest) = scratch.split_at_mut(len + SLACK);
                    let (grads, sums) = rest.split_at_mut(grads + SLACK);
                    gather(
                        copy,
                        x,
                        g.c_in,
                        lanes.clone(),
                        g.origin,
                        g.input,
                        copies.sides,
                    );
                    for first in (0..g.c_out).step_by(HEIGHT) {
                        let rows = HEIGHT.min(g.c_out - first);
                        let channels = grad_out.starting_at_channel(first);
                        gather(
                            grads,
                            channels,
                            rows,
                            lanes.clone(),
                            [0, 0],
                            g.output,
                            g.output,
                        );
                        sums.fill(0.0);
                        pulp::Arch::new().dispatch(GradWeight {
                            copy,
                            grads,
                            sums,
                            offsets: &offsets,
                            rows,
                            g,
                            copies,
                        });
                        let part = &mut part[first * inner..][..rows * inner];
                        for (d, lanes) in part.iter_mut().zip(sums.as_chunks::<LANES>().0) {
                            *d = by_halves(*lanes);
                        }
                    }
                },
            );
        });
        dst.fill(0.0);
        for part in partial.chunks_exact(size) {
            for (d, &p) in dst.iter_mut().zip(part) {
                *d += p;
            }
        }
    });
}

/// The sum of all lanes.
fn by_halves(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0]
}

/// `sums[r][t][lane] += Σ_p grads[r][p][lane] · copy[tap t of position p]`
struct GradWeight<'a> {
    copy: &'a [f32],
    grads: &'a [f32],
    sums: &'a mut [f32],
    offsets: &'a [usize],
    rows: usize,
    g: &'a Geometry,
    copies: Copies,
}

impl WithSimd for GradWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, s: S) {
        match self.rows {
            1 => self.run::<S, 1>(s),
            2 => self.run::<S, 2>(s),
            3 => self.run::<S, 3>(s),
            4 => self.run::<S, 4>(s),
            5 => self.run::<S, 5>(s),
            _ => self.run::<S, 6>(s),
        }
    }
}

impl GradWeight<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(&mut self, s: S) {
        let [oh, ow] = self.g.output;
        let register = size_of::<S::f32s>() / size_of::<f32>();
        let wide = size_of::<S::f32s>() != 32;
        let rows = (GRADS / (R * ow * LANES)).max(1);
        let taps = self.offsets.len();
        for top in (0..oh).step_by(rows) {
            let range = top..oh.min(top + rows);
            for lane in (0..LANES).step_by(register) {
                let mut tap = 0;
                while tap < taps {
                    match taps - tap {
                        4.. if wide => {
                            self.tile::<S, R, 4>(s, range.clone(), lane, tap);
                            tap += 4;
                        }
                        2.. => {
                            self.tile::<S, R, 2>(s, range.clone(), lane, tap);
                            tap += 2;
                        }
                        _ => {
                            self.tile::<S, R, 1>(s, range.clone(), lane, tap);
                            tap += 1;
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const Q: usize>(
        &mut self,
        s: S,
        range: Range<usize>,
        lane: usize,
        tap: usize,
    ) {
        let (g, taps) = (self.g, self.offsets.len());
        let [oh, ow] = g.output;
        let mut offsets = [0; Q];
        offsets.copy_from_slice(&self.offsets[tap..tap + Q]);
        let mut sums = [[s.splat_f32s(0.0); Q]; R];
        for y in range {
            let mut source = self
                .copy
                .as_ptr()
                .wrapping_add(self.copies.place(g, [y, 0]) + lane);
            let mut grads = self.grads.as_ptr().wrapping_add(y * ow * LANES + lane);
            for _ in 0..ow {
                // SAFETY: every tap of every output lies in the copy, and grads hold all positions of R channels.
                unsafe {
                    let mut pixels = [s.splat_f32s(0.0); Q];
                    for q in 0..Q {
                        pixels[q] = source
                            .wrapping_add(offsets[q])
                            .cast::<S::f32s>()
                            .read_unaligned();
                    }
                    for r in 0..R {
                        let grad = grads.wrapping_add(r * oh * ow * LANES);
                        let grad = grad.cast::<S::f32s>().read_unaligned();
                        for q in 0..Q {
                            sums[r][q] = s.mul_add_f32s(grad, pixels[q], sums[r][q]);
                        }
                    }
                }
                source = source.wrapping_add(g.stride[1] * LANES);
                grads = grads.wrapping_add(LANES);
            }
        }
        for r in 0..R {
            for q in 0..Q {
                let at = (r * taps + tap + q) * LANES + lane;
                let place = self.sums[at..at + size_of::<S::f32s>() / 4].as_mut_ptr();
                // SAFETY: the slice has one register.
                unsafe {
                    let place = place.cast::<S::f32s>();
                    place.write_unaligned(s.add_f32s(place.read_unaligned(), sums[r][q]));
                }
            }
        }
    }
}
