//! Convolutions of 3 × 3 with stride 1 by Winograd's minimal filtering F(4 × 4, 3 × 3): 36 multiplications in place of 144 for a tile of 4 × 4
//! outputs (Lavin and Gray 2016, *Fast Algorithms for Convolutional Neural Networks*, arXiv:1509.09308). In f32 only.
//!
//! Tiles of 6 × 6 pixels and kernels are transformed, multiplied place by place (one matrix product over the channels for each of the 36),
//! and the products are transformed to outputs. The weight's gradient is the same bilinear form read the other way. The error of outputs and
//! input gradients is at most four times that of the direct kernels, that of a weight's gradient four times that of a plain chain: the
//! tests measure them, `docs/numerics.md` has the numbers.
//!
//! A value that is not finite would spoil its whole tile; where a result is not finite, the caller takes the direct kernels instead.
//! Tiles are cut into blocks by shape only.

mod stage;
mod transform;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use gradus_tensor::DType;

use self::stage::{Block, turn_squares};
use self::transform::{Kind, PRODUCTS, SIDE, STEP, Transform};
use super::Geometry;
use super::product::{PANEL, Products};
use super::turn::{LANES, Squares};
use crate::float::Float;
use crate::im2col::Images;
use crate::scratch::{SharedMut, with_scratch};
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Taps of a kernel.
const TAPS: usize = 9;
/// Pixels by which the tiles of inputs overlap.
const OVERLAP: usize = SIDE - STEP;
/// Tiles of a block: with 64 channels they and the products of a panel take 1 MB.
const TILES: usize = 64;
/// Elements of the transformed tiles of a block of a weight's gradient: 4 MiB.
const GRAD_ELEMENTS: usize = 1 << 20;
/// Parts that a forward pass is cut into when it is big enough.
const PARTS: usize = 4;
/// Channels below which the transforms cost more than the products save (from the measured threefold gain at 64 channels; the limit itself was
/// not varied).
const MIN_CHANNELS: usize = 32;
/// Positions from which on a weight's gradient has at most four times the error of a plain chain over all of them (measured: twice at 960).
const MIN_POSITIONS: usize = 768;
/// Added to pitches and planes, so that the 36 places of a tile do not fall into the same set of a cache.
const SHIFT: usize = 16;

/// Whether the method applies, and pays.
pub(super) fn suits<T: Float>(g: &Geometry) -> bool {
    let tiles = g.output.map(|side| side.div_ceil(STEP));
    let all = tiles[0] * tiles[1];
    T::DTYPE == DType::F32
        && g.groups == 1
        && g.kernel == [3, 3]
        && g.stride == [1, 1]
        && g.dilation == [1, 1]
        && g.c_in.min(g.c_out) >= MIN_CHANNELS
        && all * g.batch >= 16
        && !crate::simd::is_baseline()
        // At most two fifths of the outputs of the tiles may lie outside of the image.
        && 5 * g.positions() >= 3 * all * STEP * STEP
}

/// Whether the method applies to a weight's gradient, and pays. Over few positions a plain chain is so short that no transform comes near its
/// error.
pub(super) fn suits_grad_weight<T: Float>(g: &Geometry) -> bool {
    suits::<T>(g) && g.batch * g.positions() >= MIN_POSITIONS
}

/// How tiles are cut into blocks.
struct Grid {
    /// Tiles of an image.
    tiles: [usize; 2],
    images: usize,
    rows: usize,
    down: usize,
    blocks: usize,
}

impl Grid {
    fn of(g: &Geometry, most: usize) -> Self {
        let tiles = g.output.map(|side| side.div_ceil(STEP));
        let images = (most / (tiles[0] * tiles[1])).clamp(1, g.batch);
        let down = if images > 1 {
            1
        } else {
            tiles[0].div_ceil((most / tiles[1]).clamp(1, tiles[0]))
        };
        let rows = tiles[0].div_ceil(down);
        let down = tiles[0].div_ceil(rows);
        Self {
            tiles,
            images,
            rows,
            down,
            blocks: g.batch.div_ceil(images) * down,
        }
    }

    fn block(&self, g: &Geometry, block: usize) -> Block {
        let (image, row) = (
            block / self.down * self.images,
            block % self.down * self.rows,
        );
        Block {
            images: image..g.batch.min(image + self.images),
            rows: row..self.tiles[0].min(row + self.rows),
            across: self.tiles[1],
        }
    }
}

/// Where the transformed tiles of some channels lie: `[place][tile][channel]`.
#[derive(Clone, Copy)]
struct Planes {
    pitch: usize,
    plane: usize,
}

impl Planes {
    fn of(tiles: usize, channels: usize) -> Self {
        let pitch = channels + SHIFT;
        Self {
            pitch,
            plane: tiles * pitch + SHIFT,
        }
    }

    fn len(self) -> usize {
        PRODUCTS * self.plane
    }

    /// Distances between rows and columns of places.
    fn places(self) -> [usize; 2] {
        [SIDE * self.plane, self.plane]
    }
}

/// A weight `(C_out, C, 3, 3)`, or the turned one of an input's gradient: `(C, C_out, 3, 3)` with its taps reversed.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a> {
    pub(super) values: &'a [f32],
    pub(super) turned: bool,
}

/// The transformed weight, `[panel][place][channel][PANEL]`.
struct Filters;

impl Filters {
    /// Elements of one place of a panel.
    fn plane(c_in: usize) -> usize {
        c_in * PANEL + SHIFT
    }

    /// Transforms all of `weight` to `dst`.
    fn transform(dst: &mut [f32], weight: Weight<'_>, g: &Geometry) {
        let groups = g.c_in.div_ceil(LANES);
        let len = PRODUCTS * Self::plane(groups * LANES);
        let out = SharedMut::new(dst);
        for_each_block(g.c_out.div_ceil(PANEL) * groups, 1, |unit, _| {
            let (panel, group) = (unit / groups, unit % groups);
            let dst = out.pointer().wrapping_add(panel * len);
            // SAFETY: `dst` holds all panels; this unit alone writes these channels of this panel.
            unsafe { Self::transform_part(dst, weight, panel, group * LANES, g) };
        });
    }

    /// Transforms one panel and [`LANES`] input channels from `first` on.
    ///
    /// # Safety
    /// `dst` has room for a panel, and nobody else uses these channels of it.
    unsafe fn transform_part(
        dst: *mut f32,
        weight: Weight<'_>,
        panel: usize,
        first: usize,
        g: &Geometry,
    ) {
        let plane = Self::plane(g.c_in.next_multiple_of(LANES));
        let mut taps = [0.0; LANES * LANES * LANES];
        for half in 0..PANEL / LANES {
            let pitch = weight.gather(&mut taps, panel * PANEL + half * LANES, first, g);
            let transform = Transform {
                kind: if weight.turned {
                    Kind::Turned
                } else {
                    Kind::Weights
                },
                source: taps.as_ptr(),
                starts: &std::array::from_fn::<usize, LANES, _>(|ci| ci * pitch),
                from: [3 * LANES, LANES],
                dst: dst.wrapping_add(first * PANEL + half * LANES),
                to_tile: PANEL,
                to: [SIDE * plane, plane],
                bias: [0.0; LANES],
            };
            // SAFETY: `taps` holds nine times LANES elements for each channel; the rest is promised by the caller.
            unsafe { transform.run() };
        }
    }
}

impl Weight<'_> {
    /// `taps[ci][tap][lane]` of [`LANES`] output channels from `first` and as many input channels from `from` on, 0 for those that there are
    /// not. Gives the distance between input channels.
    fn gather(
        self,
        taps: &mut [f32; LANES * LANES * LANES],
        first: usize,
        from: usize,
        g: &Geometry,
    ) -> usize {
        let (lanes, channels) = (
            LANES.min(g.c_out.saturating_sub(first)),
            LANES.min(g.c_in - from),
        );
        // The kernel of the first pair, the distances to the next input channel and lane, and the squares to be turned.
        let (start, strides, squares) = if self.turned {
            (from * g.c_out + first, [g.c_out, 1], LANES)
        } else {
            (first * g.c_in + from, [1, g.c_in], TAPS)
        };
        // A square is wider than a kernel.
        let end = (start + (channels - 1) * strides[0] + (LANES - 1) * strides[1]) * TAPS + LANES;
        if lanes == LANES && channels == LANES && end <= self.values.len() {
            let squares = Squares {
                count: squares,
                source: self.values[start * TAPS..].as_ptr(),
                from: [
                    strides[1] * TAPS,
                    if self.turned {
                        strides[0] * TAPS
                    } else {
                        LANES
                    },
                ],
                dst: taps.as_mut_ptr(),
                to: [LANES, LANES * LANES],
            };
            // SAFETY: the last kernel was just checked; `taps` holds 16 squares.
            unsafe { squares.turn() };
            return if self.turned {
                LANES * LANES
            } else {
                TAPS * LANES
            };
        }
        taps.fill(0.0);
        for ci in 0..channels {
            for lane in 0..lanes {
                let kernel = start + ci * strides[0] + lane * strides[1];
                for (tap, &w) in self.values[kernel * TAPS..][..TAPS].iter().enumerate() {
                    taps[(ci * TAPS + tap) * LANES + lane] = w;
                }
            }
        }
        TAPS * LANES
    }
}

/// See [`super::conv2d`]; false if a result is not finite, and then `dst` is not to be used.
pub(super) fn forward(
    dst: &mut [f32],
    x: Images<'_, f32>,
    weight: Weight<'_>,
    bias: Option<&[f32]>,
    g: &Geometry,
) -> bool {
    let plane = Filters::plane(g.c_in.next_multiple_of(LANES));
    let panels = g.c_out.div_ceil(PANEL);
    let grid = Grid::of(g, TILES);
    // Filters of several blocks are transformed once for all; those of one block panel by panel, while they are in cache.
    let shared = if grid.blocks > 1 { panels } else { 0 };
    with_scratch(shared * PRODUCTS * plane, |values: &mut [f32]| {
        if shared > 0 {
            Filters::transform(values, weight, g);
        }
        let filters = (shared > 0).then_some(&*values);
        // Panels of a task.
        let wide = panels.div_ceil(PARTS.div_ceil(grid.blocks).min(panels));
        let splits = panels.div_ceil(wide);
        let (out, finite) = (SharedMut::new(dst), AtomicBool::new(true));
        for_each_block(grid.blocks * splits, 1, |task, _| {
            let first = task % splits * wide;
            let task = Forward {
                x,
                weight,
                filters,
                bias,
                g,
                block: grid.block(g, task / splits),
            };
            if !task.run(&out, first..panels.min(first + wide)) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    })
}

/// The outputs of a block of tiles.
struct Forward<'a> {
    x: Images<'a, f32>,
    weight: Weight<'a>,
    /// All of the transformed weight, if it is shared by the blocks.
    filters: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
    g: &'a Geometry,
    block: Block,
}

impl Forward<'_> {
    /// Some panels of channels; false if an output is not finite.
    fn run(&self, out: &SharedMut<'_, f32>, panels: Range<usize>) -> bool {
        let groups = self.g.c_in.div_ceil(LANES);
        let tiles = self.block.tiles();
        let (inputs, products) = (Planes::of(tiles, groups * LANES), Planes::of(tiles, PANEL));
        let filter = PRODUCTS * Filters::plane(groups * LANES);
        let own = if self.filters.is_none() { filter } else { 0 };
        with_scratch(
            inputs.len() + products.len() + own,
            |scratch: &mut [f32]| {
                let (v, rest) = scratch.split_at_mut(inputs.len());
                let (m, own) = rest.split_at_mut(products.len());
                stage_and_transform(
                    v.as_mut_ptr(),
                    inputs,
                    self.x,
                    0..groups,
                    Kind::Pixels,
                    &self.block,
                    self.g,
                );
                let mut finite = true;
                for panel in panels {
                    let filter = match self.filters {
                        Some(filters) => &filters[panel * filter..][..filter],
                        None => {
                            for group in 0..groups {
                                let (dst, first) = (own.as_mut_ptr(), group * LANES);
                                // SAFETY: `own` has room for a panel.
                                unsafe {
                                    Filters::transform_part(dst, self.weight, panel, first, self.g);
                                }
                            }
                            &*own
                        }
                    };
                    self.products(m, products, v, inputs, filter);
                    finite &= self.outputs(out, m, products, panel);
                }
                finite
            },
        )
    }

    /// Multiplies the tiles and one panel of filters.
    fn products(&self, m: &mut [f32], to: Planes, v: &[f32], from: Planes, filter: &[f32]) {
        let c_in = self.g.c_in.next_multiple_of(LANES);
        let job = Products {
            planes: PRODUCTS,
            rows: self.block.tiles(),
            terms: [1, 1, c_in],
            panels: 1,
            left: v.as_ptr(),
            left_strides: [from.plane, from.pitch],
            left_steps: [0, 0],
            by_terms: false,
            right: filter.as_ptr(),
            right_strides: [Filters::plane(c_in), PANEL, 0],
            right_steps: [0, 0],
            out: m.as_mut_ptr(),
            out_strides: [to.plane, to.pitch],
            fresh: true,
        };
        // SAFETY: v holds the tiles of c_in channels, the filter as many, m the products of a panel.
        unsafe { job.run() };
    }

    /// Transforms the products of a panel and writes the outputs; false if one is not finite.
    fn outputs(&self, out: &SharedMut<'_, f32>, m: &[f32], products: Planes, panel: usize) -> bool {
        let (g, tiles) = (self.g, self.block.tiles());
        let [oh, ow] = g.output;
        let starts: Vec<usize> = (0..tiles).map(|t| t * products.pitch).collect();
        let first = panel * PANEL;
        let last = g.c_out.min(first + PANEL);
        let mut finite = true;
        with_scratch(tiles * LANES * LANES, |values: &mut [f32]| {
            for c in (first..last).step_by(LANES) {
                let lanes = LANES.min(last - c);
                let mut bias = [0.0; LANES];
                if let Some(all) = self.bias {
                    bias[..lanes].copy_from_slice(&all[c..c + lanes]);
                }
                let transform = Transform {
                    kind: Kind::Outputs,
                    source: m[c - first..].as_ptr(),
                    starts: &starts,
                    from: products.places(),
                    dst: values.as_mut_ptr(),
                    to_tile: LANES * LANES,
                    to: [STEP * LANES, LANES],
                    bias,
                };
                // SAFETY: m holds all places of these tiles and channels, values 16 outputs of 16 channels a tile.
                finite &= unsafe { transform.run() };
                turn_squares(values);
                for (image, n) in self.block.images.clone().enumerate() {
                    for lane in 0..lanes {
                        let plane = (n * g.c_out + c + lane) * oh;
                        let rows = self.block.rows.start * STEP..oh.min(self.block.rows.end * STEP);
                        let own = (plane + rows.start) * ow..(plane + rows.end) * ow;
                        // SAFETY: this task alone writes these rows of this channel.
                        let plane = unsafe { out.range(own) };
                        self.block.unstage(plane, values, image, lane, ow);
                    }
                }
            }
        });
        finite
    }
}

/// Stages groups of 16 channels of the tiles of a block and transforms them to `[place][tile][channel]` at `dst`, which has room for them and
/// is written at these channels only.
fn stage_and_transform(
    dst: *mut f32,
    planes: Planes,
    source: Images<'_, f32>,
    groups: Range<usize>,
    kind: Kind,
    block: &Block,
    g: &Geometry,
) {
    let (channels, overlap, origin, sides) = match kind {
        Kind::Pixels => (g.c_in, OVERLAP, g.origin, g.input),
        _ => (g.c_out, 0, [0, 0], g.output),
    };
    let [pixels, rows] = block.staged(overlap);
    let starts = block.starts(overlap);
    let width = block.sides(overlap)[1];
    with_scratch(pixels + rows, |scratch| {
        let (staged, rows) = scratch.split_at_mut(pixels);
        for group in groups {
            let first = group * LANES;
            let range = first.min(channels)..channels.min(first + LANES);
            block.stage(staged, rows, source, range, overlap, origin, sides);
            let transform = Transform {
                kind,
                source: staged.as_ptr(),
                starts: &starts,
                from: [width * LANES, LANES],
                dst: dst.wrapping_add(first),
                to_tile: planes.pitch,
                to: planes.places(),
                bias: [0.0; LANES],
            };
            // SAFETY: the staged pixels reach to the last one of the last tile; the caller has room for all places of the tiles, whose
            // pitch has these channels.
            unsafe { transform.run() };
        }
    });
}

/// See [`super::conv2d_grad_weight`]; false if a result is not finite, and then `dst` is not to be used.
///
/// Blocks of tiles are taken in order, and the 36 products of a block are added to their sums.
pub(super) fn grad_weight(
    dst: &mut [f32],
    grad_out: Images<'_, f32>,
    x: Images<'_, f32>,
    g: &Geometry,
) -> bool {
    let (c_in, c_out) = (
        g.c_in.next_multiple_of(LANES),
        g.c_out.next_multiple_of(PANEL),
    );
    let grid = Grid::of(g, (GRAD_ELEMENTS / (PRODUCTS * (c_in + c_out))).max(TILES));
    let finite = AtomicBool::new(true);
    if grid.blocks == 1 {
        with_tiles(grad_out, x, &grid.block(g, 0), g, |tiles| {
            // A panel at a time, whose sums stay in cache.
            for_each_chunk_mut(dst, PANEL * g.inner(), |panel, dst| {
                with_scratch(PRODUCTS * Filters::plane(c_in), |values: &mut [f32]| {
                    let sums = SharedMut::new(values);
                    for place in 0..PRODUCTS {
                        let out = place * Filters::plane(c_in);
                        tiles.add_products(&sums, [out, PANEL], place, panel..panel + 1, true);
                    }
                    let strides = [Filters::plane(c_in), PANEL];
                    for (half, dst) in dst.chunks_mut(LANES * g.inner()).enumerate() {
                        if !weight_grads(dst, &values[half * LANES..], strides, g) {
                            finite.store(false, Ordering::Relaxed);
                        }
                    }
                });
            });
        });
        return finite.into_inner();
    }
    let plane = c_in * c_out + SHIFT;
    with_scratch(PRODUCTS * plane, |values: &mut [f32]| {
        for block in 0..grid.blocks {
            with_tiles(grad_out, x, &grid.block(g, block), g, |tiles| {
                let sums = SharedMut::new(values);
                for_each_block(PRODUCTS, 1, |place, _| {
                    let out = [place * plane, c_out];
                    tiles.add_products(&sums, out, place, 0..c_out / PANEL, block == 0);
                });
            });
        }
        for_each_chunk_mut(dst, LANES * g.inner(), |group, dst| {
            if !weight_grads(dst, &values[group * LANES..], [plane, c_out], g) {
                finite.store(false, Ordering::Relaxed);
            }
        });
    });
    finite.into_inner()
}

/// The transformed tiles of a block of pixels and of gradients.
struct Tiles<'a> {
    count: usize,
    c_in: usize,
    pixels: (&'a [f32], Planes),
    grads: (&'a [f32], Planes),
}

/// Transforms the tiles of a block and calls `f` with them.
fn with_tiles(
    grad_out: Images<'_, f32>,
    x: Images<'_, f32>,
    block: &Block,
    g: &Geometry,
    f: impl FnOnce(&Tiles<'_>),
) {
    let (c_in, c_out) = (
        g.c_in.next_multiple_of(LANES),
        g.c_out.next_multiple_of(PANEL),
    );
    let count = block.tiles();
    let (inputs, grads) = (Planes::of(count, c_in), Planes::of(count, c_out));
    with_scratch(inputs.len() + grads.len(), |scratch: &mut [f32]| {
        let (v, d) = scratch.split_at_mut(inputs.len());
        let groups = c_in / LANES;
        let (v_out, d_out) = (SharedMut::new(v), SharedMut::new(d));
        for_each_block(groups + c_out / LANES, 1, |unit, _| {
            if unit < groups {
                let range = unit..unit + 1;
                stage_and_transform(v_out.pointer(), inputs, x, range, Kind::Pixels, block, g);
            } else {
                let range = unit - groups..unit - groups + 1;
                let dst = d_out.pointer();
                stage_and_transform(dst, grads, grad_out, range, Kind::Grads, block, g);
            }
        });
        f(&Tiles {
            count,
            c_in,
            pixels: (v, inputs),
            grads: (d, grads),
        });
    });
}

impl Tiles<'_> {
    /// Adds (or, if `fresh`, writes) the products of one place and some panels of output channels to their sums, which start at `out[0]` with
    /// rows `out[1]` apart. Different places, or panels, have different sums.
    fn add_products(
        &self,
        sums: &SharedMut<'_, f32>,
        out: [usize; 2],
        place: usize,
        panels: Range<usize>,
        fresh: bool,
    ) {
        let ((v, inputs), (d, grads)) = (self.pixels, self.grads);
        let job = Products {
            planes: 1,
            rows: self.c_in,
            terms: [1, 1, self.count],
            panels: panels.len(),
            left: v[place * inputs.plane..].as_ptr(),
            left_strides: [0, inputs.pitch],
            left_steps: [0, 0],
            by_terms: true,
            right: d[place * grads.plane + panels.start * PANEL..].as_ptr(),
            right_strides: [0, grads.pitch, PANEL],
            right_steps: [0, 0],
            out: sums.pointer().wrapping_add(out[0]),
            out_strides: [0, out[1]],
            fresh,
        };
        // SAFETY: v and d hold the tiles of all channels, and the caller alone uses these sums.
        unsafe { job.run() };
    }
}

/// Transforms the sums of up to 16 output channels, `[place][ci][lane]`, to their weights' gradients; false if one is not finite.
fn weight_grads(dst: &mut [f32], sums: &[f32], [plane, row]: [usize; 2], g: &Geometry) -> bool {
    let mut values = [0.0; 9 * LANES];
    let mut finite = true;
    for ci in 0..g.c_in {
        let transform = Transform {
            kind: Kind::WeightGrads,
            source: sums[ci * row..].as_ptr(),
            starts: &[0],
            from: [SIDE * plane, plane],
            dst: values.as_mut_ptr(),
            to_tile: 0,
            to: [3 * LANES, LANES],
            bias: [0.0; LANES],
        };
        // SAFETY: the sums hold all places of these channels, `values` nine taps of 16 channels.
        finite &= unsafe { transform.run() };
        for (lane, dst) in dst.chunks_exact_mut(g.inner()).enumerate() {
            for (tap, d) in dst[ci * 9..(ci + 1) * 9].iter_mut().enumerate() {
                *d = values[tap * LANES + lane];
            }
        }
    }
    finite
}

#[cfg(test)]
mod tests;
