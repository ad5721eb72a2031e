//! Convolution without columns: register tiles run over a padded copy of a block of rows that stays in L2.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Geometry;
use super::micro::{Forward, GradWeight, PANEL};
use super::packed::{Plan, SLACK};
use crate::float::Float;
use crate::im2col::Images;
use crate::scratch::{SharedMut, with_scratch};
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Elements of a padded copy: 192 KiB of f32, well inside an L2 of 512 KiB or more.
const COPY: usize = 48 * 1024;
/// Parts that an operation is cut into when there are enough rows, to feed several threads.
const PARTS: usize = 8;
/// Multiply-adds of one parallel block at least (from the measured 50 GMAC/s of a core: 5 µs; the
/// limit itself was not varied).
const MIN_BLOCK_MACS: usize = 1 << 18;

/// Multiply-adds of one part of a weight's gradient at least: each part ends with sums over the lanes of all its registers, which for single
/// small images take more than the multiply-adds (measured on Zen 4, four images: of 0.24 M each, in 4, 2 and 1 parts, 51, 42 and 37 µs;
/// of 0.35 M each, in 4 and 2 parts, 40 and 48 µs).
const MIN_PART_MACS: usize = 1 << 18;

/// Output rows of a block: few enough for the cache and for [`PARTS`] parts, enough that the rows shared by blocks do not matter.
fn block_rows(g: &Geometry, budget: usize) -> usize {
    let cut = PARTS.div_ceil((g.batch * g.groups).max(1));
    Plan::rows_within(g, budget)
        .min(g.output[0].div_ceil(cut))
        .max(4.min(g.output[0]))
        .max(1)
}

/// See [`super::conv2d`].
pub(super) fn forward<T: Float>(
    dst: &mut [T],
    x: Images<'_, T>,
    weight: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
) {
    with_scratch(weight.len(), |panels| {
        pack_panels(panels, weight, g);
        let plan = Plan::new(g, block_rows(g, COPY));
        let parts = g.output[0].div_ceil(plan.rows);
        let macs = g.c_out * g.inner() * plan.rows * g.output[1];
        let out = SharedMut::new(dst);
        for_each_block(
            g.batch * g.groups * parts,
            (MIN_BLOCK_MACS / macs.max(1)).max(1),
            |_, tasks| {
                for task in tasks {
                    let (image, part) = (task / parts, task % parts);
                    let (n, group) = (image / g.groups, image % g.groups);
                    forward_rows(
                        &out,
                        x,
                        panels,
                        bias,
                        g,
                        &plan,
                        [n, group, part * plan.rows],
                    );
                }
            },
        );
    });
}

/// `panels[group, block of PANEL channels][tap][channel]`.
pub(super) fn pack_panels<T: Float>(panels: &mut [T], weight: &[T], g: &Geometry) {
    let inner = g.inner();
    let of_group = g.c_out * inner;
    if weight.is_empty() {
        return;
    }
    for (panels, weight) in panels
        .chunks_exact_mut(of_group)
        .zip(weight.chunks_exact(of_group))
    {
        for_each_chunk_mut(panels, PANEL * inner, |block, panel| {
            let rows = panel.len() / inner;
            for r in 0..rows {
                let row = &weight[(block * PANEL + r) * inner..][..inner];
                for (d, &w) in panel[r..].iter_mut().step_by(rows).zip(row) {
                    *d = w;
                }
            }
        });
    }
}

fn forward_rows<T: Float>(
    out: &SharedMut<'_, T>,
    x: Images<'_, T>,
    panels: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
    plan: &Plan,
    [n, group, first_row]: [usize; 3],
) {
    let [oh, ow] = g.output;
    let rows = plan.rows.min(oh - first_row);
    let span = plan.span(g, rows);
    let inner = g.inner();
    let copy_len = (plan.len(g.c_in) + SLACK).next_multiple_of(16);
    let out_pitch = (span + SLACK).next_multiple_of(16);
    with_scratch(copy_len + PANEL * out_pitch, |scratch| {
        let (copy, tile) = scratch.split_at_mut(copy_len);
        plan.pack(copy, x, g, n, group, first_row);
        for block in (0..g.c_out).step_by(PANEL) {
            let channels = PANEL.min(g.c_out - block);
            let first = group * g.c_out + block;
            let mut start = [T::ZERO; PANEL];
            if let Some(bias) = bias {
                start[..channels].copy_from_slice(&bias[first..first + channels]);
            }
            let job = Forward {
                out: tile.as_mut_ptr(),
                out_pitch,
                copy: copy.as_ptr(),
                offsets: &plan.offsets,
                weights: panels[first * inner..][..channels * inner].as_ptr(),
                bias: start,
                rows: channels,
                span,
            };
            // SAFETY: every tap of every place lies in the copy of plan.len elements, which SLACK elements follow; the tile has
            // PANEL rows of span + SLACK elements; the panel holds `channels` weights for each tap.
            unsafe { job.run() };
            for r in 0..channels {
                let plane = (n * g.groups * g.c_out + first + r) * oh * ow + first_row * ow;
                // SAFETY: this task alone writes rows first_row.. of these channels of this image.
                let dst = unsafe { out.range(plane..plane + rows * ow) };
                let values = tile[r * out_pitch..].chunks(plan.pitch);
                for (dst, values) in dst.chunks_exact_mut(ow).zip(values) {
                    dst.copy_from_slice(&values[..ow]);
                }
            }
        }
    });
}

/// How a weight gradient is cut: blocks of images whose sums are added in order, and blocks of output channels.
struct Cut {
    images: usize,
    blocks: usize,
    channels: usize,
    splits: usize,
}

impl Cut {
    fn of(g: &Geometry) -> Self {
        let weights = g.groups * g.c_out * g.inner();
        let macs = g.batch * g.positions() * weights;
        let parts = (macs / MIN_PART_MACS).clamp(1, PARTS);
        let wanted = ((1 << 20) / weights.max(1)).clamp(1, parts);
        let images = g.batch.div_ceil(wanted);
        let blocks = g.batch.div_ceil(images);
        let splits = parts
            .div_ceil(blocks * g.groups)
            .min(g.c_out.div_ceil(PANEL));
        let channels = g.c_out.div_ceil(splits).next_multiple_of(PANEL);
        Self {
            images,
            blocks,
            channels,
            splits: g.c_out.div_ceil(channels),
        }
    }
}

/// See [`super::conv2d_grad_weight`]; `dst` holds zeros. False, with `dst` still zero, if `x` has values that are not finite: places
/// between rows are multiplied by zeros, which must not make NaN.
pub(super) fn grad_weight<T: Float>(
    dst: &mut [T],
    grad_out: Images<'_, T>,
    x: Images<'_, T>,
    g: &Geometry,
) -> bool {
    if g.positions() == 0 {
        return true;
    }
    let cut = Cut::of(g);
    let finite = AtomicBool::new(true);
    let len = dst.len();
    with_scratch(cut.blocks * len, |partial| {
        partial.fill(T::ZERO);
        let plan = Plan::new(g, Plan::rows_within(g, COPY));
        let out = SharedMut::new(partial);
        for_each_block(cut.blocks * g.groups * cut.splits, 1, |task, _| {
            let (block, rest) = (
                task / (g.groups * cut.splits),
                task % (g.groups * cut.splits),
            );
            let (group, split) = (rest / cut.splits, rest % cut.splits);
            let images = block * cut.images..g.batch.min((block + 1) * cut.images);
            let channels = split * cut.channels..g.c_out.min((split + 1) * cut.channels);
            let start = block * len + (group * g.c_out + channels.start) * g.inner();
            // SAFETY: this task alone writes these channels of this block's sums.
            let sums = unsafe { out.range(start..start + channels.len() * g.inner()) };
            if !grad_weight_block(sums, grad_out, x, g, &plan, group, images, channels) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        if finite.load(Ordering::Relaxed) {
            for_each_chunk_mut(dst, 1 << 14, |chunk, dst| {
                for part in partial.chunks_exact(len) {
                    for (d, &p) in dst.iter_mut().zip(&part[chunk << 14..]) {
                        *d += p;
                    }
                }
            });
        }
    });
    finite.into_inner()
}

/// Adds the weight gradient of some images and output channels of one group to `sums`; false if an input is not finite.
fn grad_weight_block<T: Float>(
    sums: &mut [T],
    grad_out: Images<'_, T>,
    x: Images<'_, T>,
    g: &Geometry,
    plan: &Plan,
    group: usize,
    images: std::ops::Range<usize>,
    channels: std::ops::Range<usize>,
) -> bool {
    let inner = g.inner();
    let copy_len = (plan.len(g.c_in) + SLACK).next_multiple_of(16);
    let grads_pitch = (plan.span(g, plan.rows) + SLACK).next_multiple_of(16);
    let grads_len = channels.len() * grads_pitch;
    let at_once = (COPY / (copy_len + grads_len)).clamp(1, images.len());
    with_scratch((copy_len + grads_len) * at_once, |scratch| {
        let (copies, grads) = scratch.split_at_mut(copy_len * at_once);
        for first_row in (0..g.output[0]).step_by(plan.rows) {
            let rows = plan.rows.min(g.output[0] - first_row);
            for first in images.clone().step_by(at_once) {
                let count = at_once.min(images.end - first);
                for i in 0..count {
                    let copy = &mut copies[i * copy_len..][..copy_len];
                    plan.pack(copy, x, g, first + i, group, first_row);
                    copy[plan.len(g.c_in)..].fill(T::ZERO);
                    if !all_finite(copy) {
                        return false;
                    }
                    for (r, grads) in grads[i * grads_len..][..grads_len]
                        .chunks_exact_mut(grads_pitch)
                        .enumerate()
                    {
                        let channel = group * g.c_out + channels.start + r;
                        spread(
                            grads,
                            grad_out,
                            g,
                            plan,
                            [first + i, channel, first_row],
                            rows,
                        );
                    }
                }
                for block in (0..channels.len()).step_by(PANEL) {
                    let job = GradWeight {
                        out: sums[block * inner..].as_mut_ptr(),
                        out_pitch: inner,
                        copy: copies.as_ptr(),
                        copy_pitch: copy_len,
                        offsets: &plan.offsets,
                        grads: grads[block * grads_pitch..].as_ptr(),
                        grads_pitch,
                        grads_image: grads_len,
                        rows: PANEL.min(channels.len() - block),
                        images: count,
                        span: plan.span(g, rows),
                    };
                    // SAFETY: copies and grads of `count` images were just written with their slack, all copies finite; sums has
                    // channels.len() rows of `inner`.
                    unsafe { job.run() };
                }
            }
        }
        true
    })
}

/// One channel of `grad_out` at the places of its outputs, zero between and after them.
fn spread<T: Float>(
    dst: &mut [T],
    grad_out: Images<'_, T>,
    g: &Geometry,
    plan: &Plan,
    [n, c, first_row]: [usize; 3],
    rows: usize,
) {
    let ow = g.output[1];
    for (oy, dst) in dst.chunks_mut(plan.pitch).enumerate() {
        let width = if oy < rows { ow.min(dst.len()) } else { 0 };
        let (values, gap) = dst.split_at_mut(width);
        if width > 0 {
            grad_out.gather_row(values, [n, c], [(first_row + oy) as isize, 0], 1, g.output);
        }
        gap.fill(T::ZERO);
    }
}

/// Whether no element is infinite or NaN.
fn all_finite<T: Float>(values: &[T]) -> bool {
    crate::simd::dispatch(
        #[inline(always)]
        || {
            let mut lanes = [T::ZERO; 16];
            let (full, tail) = values.as_chunks::<16>();
            for part in full {
                for l in 0..16 {
                    lanes[l] += part[l] * T::ZERO;
                }
            }
            lanes.iter().chain(tail).all(|&v| v * T::ZERO == T::ZERO)
        },
    )
}
