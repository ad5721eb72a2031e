//! Convolution as matrix products over columns gathered for a block of positions, which may span several images.

use std::ops::Range;

use super::Geometry;
use super::packed::{Plan, expand};
use crate::float::Float;
use crate::gemm::{Accum, MatMut, MatRef, Precision, gemm, gemm_row_bias, product_in};
use crate::im2col::{Images, col2im, segments};
use crate::scratch::{SharedMut, with_scratch};
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Positions of a block: a multiple of every micro-kernel's width (24, 48, 96), and 512 rows of columns fit L2.
const POSITIONS: usize = 192;
/// Parts that an operation is cut into when it is big enough, to feed several threads.
const PARTS: usize = 8;
/// Multiply-adds of one parallel block at least (from the measured 50 GMAC/s of a core: 5 µs; the
/// limit itself was not varied).
const MIN_BLOCK_MACS: usize = 1 << 18;
/// Elements of the columns that a weight gradient gathers at once: 8 MiB of f32.
const COLUMNS: usize = 1 << 21;

/// 1 × 1 convolution with stride 1: `(C_out, C) · (C, H · W)` for each image, nothing copied.
pub(super) fn pointwise<T: Float>(
    dst: &mut [T],
    x: Images<'_, T>,
    weight: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
) {
    let (positions, inner) = (g.positions(), g.inner());
    let of_group = g.c_out * positions;
    let product = |image: usize, dst: &mut [T], parallel: bool| {
        let (n, group) = (image / g.groups, image % g.groups);
        let (data, offset, strides) = x.plane(n, group * g.c_in);
        let a = MatRef::new(
            weight,
            group * g.c_out * inner,
            [g.c_out, inner],
            [inner as isize, 1],
        );
        let b = MatRef::new(data, offset, [inner, positions], strides);
        let bias = bias.map(|bias| &bias[group * g.c_out..][..g.c_out]);
        gemm_row_bias(
            MatMut::row_major(dst, g.c_out, positions),
            a,
            b,
            bias,
            parallel,
        );
    };
    if g.batch * g.groups >= PARTS {
        let items = (MIN_BLOCK_MACS / (of_group * inner).max(1)).max(1);
        for_each_chunk_mut(dst, of_group * items, |task, dst| {
            for (i, dst) in dst.chunks_exact_mut(of_group).enumerate() {
                product(task * items + i, dst, false);
            }
        });
    } else {
        for (image, dst) in dst.chunks_exact_mut(of_group).enumerate() {
            product(image, dst, true);
        }
    }
}

/// How positions are cut into blocks: some whole images, or some rows of one.
pub(super) struct Cut {
    pub(super) images: usize,
    pub(super) rows: usize,
    down: usize,
    pub(super) blocks: usize,
}

impl Cut {
    pub(super) fn of(g: &Geometry, positions: usize) -> Self {
        let images = (positions / g.positions().max(1)).clamp(1, g.batch.max(1));
        let rows = if images > 1 {
            g.output[0]
        } else {
            (positions / g.output[1]).clamp(1, g.output[0])
        };
        let down = g.output[0].div_ceil(rows);
        Self {
            images,
            rows,
            down,
            blocks: g.batch.div_ceil(images) * down,
        }
    }

    /// Images and output rows of a block.
    pub(super) fn block(&self, g: &Geometry, block: usize) -> [Range<usize>; 2] {
        let (image, row) = (
            block / self.down * self.images,
            block % self.down * self.rows,
        );
        [
            image..g.batch.min(image + self.images),
            row..g.output[0].min(row + self.rows),
        ]
    }
}

/// The column matrix `(inner, images · rows · OW)` of some images and output rows of one group.
fn gather_columns<T: Float>(
    columns: &mut [T],
    x: Images<'_, T>,
    g: &Geometry,
    plan: &Plan,
    group: usize,
    [images, rows]: [Range<usize>; 2],
) {
    let of_image = rows.len() * g.output[1];
    let width = images.len() * of_image;
    with_scratch(plan.len(g.c_in), |copy| {
        for (i, n) in images.enumerate() {
            plan.pack(copy, x, g, n, group, rows.start);
            expand(
                columns,
                copy,
                plan,
                0..g.inner(),
                [i * of_image, width],
                [rows.len(), g.output[1]],
            );
        }
    });
}

/// See [`super::conv2d`].
pub(super) fn forward<T: Float>(
    dst: &mut [T],
    x: Images<'_, T>,
    weight: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
) {
    let (inner, cut) = (g.inner(), Cut::of(g, POSITIONS));
    let plan = Plan::new(g, cut.rows);
    let splits = PARTS
        .div_ceil(cut.blocks * g.groups)
        .min(g.c_out.div_ceil(64));
    let channels = g.c_out.div_ceil(splits);
    let out = SharedMut::new(dst);
    for_each_block(g.groups * cut.blocks * splits, 1, |task, _| {
        let (group, rest) = (task / (cut.blocks * splits), task % (cut.blocks * splits));
        let [images, rows] = cut.block(g, rest / splits);
        let split = rest % splits;
        let co = split * channels..g.c_out.min((split + 1) * channels);
        if co.is_empty() {
            return;
        }
        let of_image = rows.len() * g.output[1];
        let width = images.len() * of_image;
        with_scratch((inner + co.len()) * width, |scratch| {
            let (columns, tile) = scratch.split_at_mut(inner * width);
            gather_columns(columns, x, g, &plan, group, [images.clone(), rows.clone()]);
            let first = group * g.c_out + co.start;
            let a = MatRef::new(
                weight,
                first * inner,
                [co.len(), inner],
                [inner as isize, 1],
            );
            let b = MatRef::row_major(columns, inner, width);
            let bias = bias.map(|bias| &bias[first..first + co.len()]);
            gemm_row_bias(MatMut::row_major(tile, co.len(), width), a, b, bias, false);
            for (r, row) in tile.chunks_exact(width).enumerate() {
                for (n, values) in images.clone().zip(row.chunks_exact(of_image)) {
                    let start = ((n * g.groups * g.c_out + first + r) * g.output[0] + rows.start)
                        * g.output[1];
                    // SAFETY: this task alone writes these rows of these channels.
                    unsafe { out.range(start..start + of_image) }.copy_from_slice(values);
                }
            }
        });
    });
}

/// `dst[c, p] = images[n, first + c, y, x]` with `(n, y, x)` position `range.start + p`.
fn gather<T: Float>(
    dst: &mut [T],
    images: Images<'_, T>,
    output: [usize; 2],
    first: usize,
    range: Range<usize>,
) {
    for (c, dst) in dst.chunks_exact_mut(range.len()).enumerate() {
        for s in segments(output, range.clone()) {
            let dst = &mut dst[s.at..s.at + s.len];
            images.gather_row(
                dst,
                [s.n, first + c],
                [s.y as isize, s.x as isize],
                1,
                output,
            );
        }
    }
}

/// See [`super::conv2d_grad_input`]: `columns = weightᵀ · grad_out` for some images at a time, added to their places.
pub(super) fn grad_input<T: Float>(
    dst: &mut [T],
    grad_out: Images<'_, T>,
    weight: &[T],
    g: &Geometry,
    precision: Precision,
) {
    let product = product_in(precision, false);
    let (inner, positions, pixels) = (g.inner(), g.positions(), g.input[0] * g.input[1]);
    if dst.is_empty() || positions == 0 {
        return dst.fill(T::ZERO);
    }
    let images =
        (POSITIONS / positions).clamp(1, g.batch.div_ceil(PARTS.div_ceil(g.groups)).max(1));
    let blocks = g.batch.div_ceil(images);
    let of_group = g.c_in * pixels;
    let out = SharedMut::new(dst);
    for_each_block(blocks * g.groups, 1, |task, _| {
        let (block, group) = (task / g.groups, task % g.groups);
        let range = block * images..g.batch.min((block + 1) * images);
        let width = range.len() * positions;
        with_scratch((inner + g.c_out) * width, |scratch| {
            let (columns, grads) = scratch.split_at_mut(inner * width);
            gather(
                grads,
                grad_out,
                g.output,
                group * g.c_out,
                range.start * positions..range.end * positions,
            );
            let a = MatRef::new(
                weight,
                group * g.c_out * inner,
                [g.c_out, inner],
                [inner as isize, 1],
            );
            let b = MatRef::row_major(grads, g.c_out, width);
            product(
                MatMut::row_major(columns, inner, width),
                Accum::Replace,
                a.transpose(),
                b,
            );
            for (i, n) in range.enumerate() {
                let start = (n * g.groups + group) * of_group;
                // SAFETY: this task alone writes this group of this image.
                let image = unsafe { out.range(start..start + of_group) };
                image.fill(T::ZERO);
                col2im(image, &columns[i * positions..], width, g);
            }
        });
    });
}

/// See [`super::conv2d_grad_weight`]; adds to `dst`. `(C_out, P) · (inner, P)ᵀ` for blocks of `P` positions, in order.
pub(super) fn grad_weight<T: Float>(
    dst: &mut [T],
    grad_out: Images<'_, T>,
    x: Images<'_, T>,
    g: &Geometry,
) {
    let inner = g.inner();
    let most = (COLUMNS / inner.max(1)).max(1024);
    if g.batch * g.positions() == 0 {
        return;
    }
    let cut = Cut::of(g, most);
    let plan = Plan::new(g, cut.rows);
    for (group, dst) in dst.chunks_exact_mut(g.c_out * inner).enumerate() {
        for block in 0..cut.blocks {
            let [images, rows] = cut.block(g, block);
            let of_image = rows.len() * g.output[1];
            let width = images.len() * of_image;
            let copy_len = plan.len(g.c_in);
            with_scratch(
                (inner + g.c_out) * width + images.len() * copy_len,
                |scratch| {
                    let (columns, rest) = scratch.split_at_mut(inner * width);
                    let (grads, copies) = rest.split_at_mut(g.c_out * width);
                    for_each_chunk_mut(copies, copy_len, |i, copy| {
                        plan.pack(copy, x, g, images.start + i, group, rows.start)
                    });
                    let count = (1_usize << 15).div_ceil(width);
                    for_each_chunk_mut(columns, count * width, |task, columns| {
                        let taps = task * count..task * count + columns.len() / width;
                        for (i, copy) in copies.chunks_exact(copy_len).enumerate() {
                            expand(
                                columns,
                                copy,
                                &plan,
                                taps.clone(),
                                [i * of_image, width],
                                [rows.len(), g.output[1]],
                            );
                        }
                    });
                    let start = images.start * g.positions() + rows.start * g.output[1];
                    for_each_chunk_mut(grads, count * width, |task, grads| {
                        gather(
                            grads,
                            grad_out,
                            g.output,
                            group * g.c_out + task * count,
                            start..start + width,
                        );
                    });
                    let a = MatRef::row_major(grads, g.c_out, width);
                    let b = MatRef::row_major(columns, inner, width).transpose();
                    gemm(MatMut::row_major(dst, g.c_out, inner), Accum::Add, a, b);
                },
            );
        }
    }
}
