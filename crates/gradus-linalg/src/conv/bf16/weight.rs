//! Gradients of the weight: columns of pairs of positions, gathered a few rows at a time, times the output's gradient, packed once a block.

use std::arch::x86_64::*;
use std::ops::Range;

use super::copies::{Plan, Source};
use crate::conv::Geometry;
use crate::conv::by_gemm::Cut;
use crate::gemm::Raw;
use crate::gemm::bf16::kernel::{HEIGHT, Left, Out, Right, Start, WIDTH, with_words};
use crate::gemm::bf16::{DEPTH, pack};
use crate::im2col::Images;
use crate::scratch::with_scratch;
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Positions of a block: several chains of [`DEPTH`], so that the sums are read and written seldom.
const POSITIONS: usize = 2 * DEPTH;
/// Rows of columns that one task gathers, 192 KiB: they stay in the second cache.
const ROWS: usize = 16 * HEIGHT;
/// Channels that one task copies.
const CHANNELS: usize = 8;
/// Independent parts that the positions of a small gradient are cut into, to feed several threads.
const PARTS: usize = 8;

/// See [`crate::conv::conv2d_grad_weight`]; `grad` is contiguous, nothing is empty.
pub(super) fn grad_weight(dst: &mut [f32], grad: &[f32], x: Images<'_, f32>, g: &Geometry) {
    let cut = Cut::of(g, POSITIONS);
    let plan = Plan::new(g, cut.rows);
    let (inner, size) = (g.inner(), g.inner() * g.c_out);
    // A gradient of few rows is cut along positions instead; by shape, as bits depend on it.
    let parts = (PARTS / inner.div_ceil(ROWS)).clamp(1, cut.blocks);
    let of_part = cut.blocks.div_ceil(parts);
    for (group, dst) in dst.chunks_exact_mut(size).enumerate() {
        with_scratch(parts * size, |sums: &mut [f32]| {
            for_each_chunk_mut(sums, size, |part, sums| {
                let mut first = true;
                for block in part * of_part..cut.blocks.min((part + 1) * of_part) {
                    let block = Block::new(g, &plan, cut.block(g, block), group);
                    block.add(sums, first, grad, x, parts == 1);
                    first = false;
                }
                if first {
                    sums.fill(0.0);
                }
            });
            // (inner, C_out) -> (C_out, inner)
            for_each_chunk_mut(dst, inner, |channel, dst| {
                for (row, d) in dst.iter_mut().enumerate() {
                    let at = row * g.c_out + channel;
                    *d = (1..parts).fold(sums[at], |sum, part| sum + sums[part * size + at]);
                }
            });
        });
    }
}

/// Some images, or some rows of one.
struct Block<'a> {
    g: &'a Geometry,
    plan: &'a Plan,
    images: Range<usize>,
    rows: Range<usize>,
    group: usize,
    /// Positions of one image, and rounded up to pairs.
    positions: usize,
    even: usize,
}

impl<'a> Block<'a> {
    fn new(
        g: &'a Geometry,
        plan: &'a Plan,
        [images, rows]: [Range<usize>; 2],
        group: usize,
    ) -> Self {
        let positions = rows.len() * g.output[1];
        Self {
            g,
            plan,
            images,
            rows,
            group,
            positions,
            even: positions.next_multiple_of(2),
        }
    }

    /// Pairs of positions.
    fn pairs(&self) -> usize {
        self.images.len() * self.even / 2
    }

    /// Adds this block's terms to the sums `(inner, C_out)`; the first ones replace them.
    fn add(&self, sums: &mut [f32], first: bool, grad: &[f32], x: Images<'_, f32>, parallel: bool) {
        let (g, pairs) = (self.g, self.pairs());
        let len = g.c_in * self.plan.channel;
        let out = Raw {
            ptr: sums.as_mut_ptr(),
            rs: g.c_out as isize,
            cs: 1,
        };
        with_words(g.c_out.next_multiple_of(pack::LANES) * pairs, |right| {
            with_words((self.images.len() * len).div_ceil(2), |copies| {
                self.pack_grad(right, grad, parallel);
                // SAFETY: two bf16 have the size of a word, and any bits are valid for both.
                let copies = unsafe {
                    std::slice::from_raw_parts_mut(
                        copies.as_mut_ptr().cast::<u16>(),
                        2 * copies.len(),
                    )
                };
                self.copy(copies, x, parallel);
                let (right, copies) = (&*right, &*copies);
                let task = |range: Range<usize>| self.rows(out, first, right, copies, range);
                if parallel {
                    for_each_block(g.inner(), ROWS, |_, range| task(range));
                } else {
                    for start in (0..g.inner()).step_by(ROWS) {
                        task(start..g.inner().min(start + ROWS));
                    }
                }
            });
        });
    }

    /// Panels of 64 channels of the output's gradient, in pairs of positions.
    fn pack_grad(&self, right: &mut [u32], grad: &[f32], parallel: bool) {
        let (g, pairs) = (self.g, self.pairs());
        let plane = g.positions();
        let of_panel = WIDTH * pairs;
        let each = |panel: usize, dst: &mut [u32]| {
            let channel = panel * WIDTH;
            let lanes = WIDTH.min(g.c_out - channel);
            let width = lanes.next_multiple_of(pack::LANES);
            for (i, n) in self.images.clone().enumerate() {
                let first = (n * g.groups + self.group) * g.c_out + channel;
                let start = first * plane + self.rows.start * g.output[1];
                let x = Raw {
                    ptr: grad[start..].as_ptr().cast_mut(),
                    rs: plane as isize,
                    cs: 1,
                };
                let dst = dst[i * self.even / 2 * width..].as_mut_ptr();
                // SAFETY: these channels and positions are the gradient's; the panel has room for them. The callers know that the processor
                // has the instructions.
                unsafe { pack::across(dst, width, x, lanes, self.positions) };
            }
        };
        if parallel {
            for_each_chunk_mut(right, of_panel, |panel, dst| each(panel, dst));
        } else {
            for (panel, dst) in right.chunks_mut(of_panel).enumerate() {
                each(panel, dst);
            }
        }
    }

    /// Copies of all images.
    fn copy(&self, copies: &mut [u16], x: Images<'_, f32>, parallel: bool) {
        let (channel, channels) = (self.plan.channel, self.g.c_in);
        let copies = &mut copies[..self.images.len() * channels * channel];
        let chunk = if parallel { CHANNELS } else { usize::MAX };
        for (n, copy) in self
            .images
            .clone()
            .zip(copies.chunks_exact_mut(channels * channel))
        {
            for_each_chunk_mut(copy, chunk.min(channels) * channel, |index, copy| {
                let source = Source {
                    images: x,
                    g: self.g,
                    n,
                    group: self.group,
                    first_row: self.rows.start,
                };
                let first = index * chunk.min(channels);
                let range = first..first + copy.len() / channel;
                // SAFETY: the copy has room for these channels; the callers know that the processor has the instructions.
                unsafe { self.plan.halves(copy.as_mut_ptr(), &source, range) };
            });
        }
    }

    /// Rows `range` of the sums.
    fn rows(&self, out: Raw<f32>, first: bool, right: &[u32], copies: &[u16], range: Range<usize>) {
        let (g, pairs) = (self.g, self.pairs());
        // Not a power of two, so that the rows of a tile fall into different sets of the nearest cache.
        let pitch = pairs.next_multiple_of(pack::LANES) + pack::LANES;
        with_words(range.len() * pitch, |columns| {
            // SAFETY: the columns have room for these rows; the processor has the instructions, as the callers know; the tasks write different
            // rows of the sums.
            unsafe {
                for (r, row) in range.clone().zip(columns.chunks_exact_mut(pitch)) {
                    self.gather(row.as_mut_ptr().cast::<u16>(), copies, r);
                }
                for from in (0..pairs).step_by(DEPTH / 2) {
                    let count = (DEPTH / 2).min(pairs - from);
                    let out = Out {
                        dst: out.at(range.start, 0),
                        start: if first && from == 0 {
                            Start::Zero
                        } else {
                            Start::Held
                        },
                    };
                    let left = Left::along(columns.as_ptr().wrapping_add(from), pitch);
                    for channel in (0..g.c_out).step_by(WIDTH) {
                        let lanes = WIDTH.min(g.c_out - channel);
                        let width = lanes.next_multiple_of(pack::LANES);
                        let right = Right {
                            words: right[channel * pairs + from * width..].as_ptr(),
                            first: channel,
                            lanes,
                        };
                        out.add(left, range.len(), right, count);
                    }
                }
            }
        });
    }

    /// The input under tap `row`, `(c, ky, kx)`, at all positions of the block.
    ///
    /// # Safety
    /// `dst` has room for all positions; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn gather(&self, dst: *mut u16, copies: &[u16], row: usize) {
        let (plan, across) = (self.plan, self.g.output[1]);
        let taps = plan.taps().len();
        let offset = row / taps * plan.channel + plan.taps()[row % taps];
        let len = self.g.c_in * plan.channel;
        for i in 0..self.images.len() {
            let mut dst = dst.wrapping_add(i * self.even);
            let mut source = copies.as_ptr().wrapping_add(i * len + offset);
            for _ in 0..self.rows.len() {
                for at in (0..across).step_by(32) {
                    let left = across - at;
                    let mask = if left >= 32 { !0 } else { (1_u32 << left) - 1 };
                    // SAFETY: the masked values lie in the copies and in the row.
                    unsafe {
                        let values = _mm512_maskz_loadu_epi16(mask, source.wrapping_add(at).cast());
                        _mm512_mask_storeu_epi16(dst.wrapping_add(at).cast(), mask, values);
                    }
                }
                dst = dst.wrapping_add(across);
                source = source.wrapping_add(plan.pitch);
            }
            if self.even > self.positions {
                // SAFETY: the row has room for whole pairs.
                unsafe { *dst = 0 };
            }
        }
    }
}
