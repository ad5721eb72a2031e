//! Outputs: the packed weight times panels of columns, 64 positions wide, gathered from copies of pairs of channels.

use std::arch::x86_64::*;

use super::copies::{Plan, Source};
use crate::conv::Geometry;
use crate::conv::by_gemm::Cut;
use crate::gemm::Raw;
use crate::gemm::bf16::kernel::{HEIGHT, Left, Out, Right, Start, WIDTH, with_words};
use crate::gemm::bf16::{DEPTH, pack};
use crate::im2col::Images;
use crate::scratch::with_scratch;
use crate::threads::{for_each_block, for_each_chunk_mut};

/// Positions of a block at most, if it fits [`COPY`]: a few panels, so that the weight is read from the near caches.
const POSITIONS: usize = 1024;
/// Words of the copy of a block, 512 KiB: it stays in the second cache.
const COPY: usize = 1 << 17;
/// Parts that an operation is cut into when it is big enough, to feed several threads.
const PARTS: usize = 8;

/// See [`crate::conv::conv2d`]; `weight` is contiguous, `dst` not empty.
pub(super) fn forward(
    dst: &mut [f32],
    x: Images<'_, f32>,
    weight: &[f32],
    bias: Option<&[f32]>,
    g: &Geometry,
) {
    let taps = g.kernel[0] * g.kernel[1];
    let words = g.c_in.div_ceil(2) * taps;
    // Rows are a multiple of registers, and not of a power of two apart.
    let pitch = words.next_multiple_of(pack::LANES) + pack::LANES;
    let rows = g.groups * g.c_out;
    let image = g.c_in.div_ceil(2) * (g.input[0] + g.kernel[0]) * (g.input[1] + g.kernel[1]);
    let fits = COPY * g.positions() / image;
    let cut = Cut::of(g, POSITIONS.min(fits).max(g.output[1]));
    let plan = Plan::new(g, cut.rows);
    let splits = PARTS
        .div_ceil(cut.blocks * g.groups)
        .min(g.c_out.div_ceil(8 * HEIGHT));
    let channels = g.c_out.div_ceil(splits).next_multiple_of(HEIGHT);
    let out = Raw {
        ptr: dst.as_mut_ptr(),
        rs: g.positions() as isize,
        cs: 1,
    };
    with_words(rows * pitch, |packed| {
        pack_weight(packed, weight, g, pitch);
        let packed = &*packed;
        for_each_block(g.groups * cut.blocks * splits, 1, |task, _| {
            let (group, rest) = (task / (cut.blocks * splits), task % (cut.blocks * splits));
            let (block, split) = (rest / splits, rest % splits);
            let first = split * channels;
            if first >= g.c_out {
                return;
            }
            let count = channels.min(g.c_out - first);
            let row = group * g.c_out + first;
            let task = Task {
                g,
                plan: &plan,
                weight: &packed[row * pitch..][..count * pitch],
                pitch,
                bias: bias.map(|bias| &bias[row..][..count]),
                rows: count,
                out,
                channel: row,
            };
            task.run(x, group, cut.block(g, block));
        });
    });
}

/// Words of pairs of channels `(c, ky, kx)` of each row of the weight.
fn pack_weight(packed: &mut [u32], weight: &[f32], g: &Geometry, pitch: usize) {
    let (taps, inner) = (g.kernel[0] * g.kernel[1], g.inner());
    let rows = 16;
    for_each_chunk_mut(packed, rows * pitch, |chunk, dst| {
        for (r, dst) in dst.chunks_exact_mut(pitch).enumerate() {
            let row = &weight[(chunk * rows + r) * inner..][..inner];
            for (pair, source) in row.chunks(2 * taps).enumerate() {
                let x = Raw {
                    ptr: source.as_ptr().cast_mut(),
                    rs: 1,
                    cs: taps as isize,
                };
                let count = source.len() / taps;
                let dst = &mut dst[pair * taps..];
                if dst.len() >= taps.next_multiple_of(pack::LANES) {
                    let width = taps.next_multiple_of(pack::LANES);
                    // SAFETY: a row of the weight, whose taps of one or two channels are the lanes; the length was checked. The callers
                    // know that the processor has the instructions.
                    unsafe { pack::across(dst.as_mut_ptr(), width, x, taps, count) };
                } else {
                    let mut last = vec![0; taps.next_multiple_of(pack::LANES)];
                    // SAFETY: as above.
                    unsafe { pack::across(last.as_mut_ptr(), last.len(), x, taps, count) };
                    dst[..taps].copy_from_slice(&last[..taps]);
                }
            }
        }
    });
}

/// A run of positions of a panel that follow one another in a copy.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Where it starts in the copies.
    from: usize,
    /// Its first lane.
    lane: usize,
    len: usize,
}

/// Some channels of the output of a block.
struct Task<'a> {
    g: &'a Geometry,
    plan: &'a Plan,
    /// Its rows.
    weight: &'a [u32],
    pitch: usize,
    bias: Option<&'a [f32]>,
    rows: usize,
    /// `(N · C, positions)`
    out: Raw<f32>,
    /// The first channel of all.
    channel: usize,
}

impl Task<'_> {
    fn run(&self, x: Images<'_, f32>, group: usize, [images, rows]: [std::ops::Range<usize>; 2]) {
        let g = self.g;
        let pairs = g.c_in.div_ceil(2);
        let len = pairs * self.plan.channel;
        let of_image = rows.len() * g.output[1];
        let width = images.len() * of_image;
        with_words(images.len() * len, |copies| {
            for (i, n) in images.clone().enumerate() {
                let source = Source {
                    images: x,
                    g,
                    n,
                    group,
                    first_row: rows.start,
                };
                let copy = copies[i * len..].as_mut_ptr();
                // SAFETY: the copies have room for this one; the callers know that the processor has the instructions.
                unsafe { self.plan.words(copy, &source, 0..pairs) };
            }
            let all = g.groups * g.c_out;
            if images.len() == 1 {
                let first = images.start * all + self.channel;
                let dst = self.out.at(first, rows.start * g.output[1]);
                // SAFETY: this task alone writes these positions of these channels.
                return unsafe { self.panels(dst, copies, len, [1, rows.len()]) };
            }
            with_scratch(self.rows * width, |tile: &mut [f32]| {
                let dst = Raw {
                    ptr: tile.as_mut_ptr(),
                    rs: width as isize,
                    cs: 1,
                };
                // SAFETY: the tile has these rows and columns.
                unsafe { self.panels(dst, copies, len, [images.len(), rows.len()]) };
                for (r, row) in tile.chunks_exact(width).enumerate() {
                    for (n, values) in images.clone().zip(row.chunks_exact(of_image)) {
                        let place = self
                            .out
                            .at(n * all + self.channel + r, rows.start * g.output[1]);
                        // SAFETY: this task alone writes these positions of these channels.
                        unsafe {
                            std::ptr::copy_nonoverlapping(values.as_ptr(), place.ptr, of_image);
                        }
                    }
                }
            });
        });
    }

    /// All columns of the block: images and rows of each.
    ///
    /// # Safety
    /// `dst` is writable in the task's rows and `images · rows · OW` columns; the processor has the instructions.
    unsafe fn panels(&self, dst: Raw<f32>, copies: &[u32], len: usize, [images, rows]: [usize; 2]) {
        let across = self.g.output[1];
        let width = images * rows * across;
        let words = self.g.c_in.div_ceil(2) * self.plan.taps().len();
        with_words(WIDTH * DEPTH / 2, |panel| {
            for first in (0..width).step_by(WIDTH) {
                let lanes = WIDTH.min(width - first);
                let mut runs = [Run::default(); WIDTH];
                let (mut count, mut lane) = (0, 0);
                while lane < lanes {
                    let (row, column) = ((first + lane) / across, (first + lane) % across);
                    let run = (across - column).min(lanes - lane);
                    let from = row / rows * len + row % rows * self.plan.pitch + column;
                    runs[count] = Run {
                        from,
                        lane,
                        len: run,
                    };
                    (count, lane) = (count + 1, lane + run);
                }
                for from in (0..words).step_by(DEPTH / 2) {
                    let pairs = (DEPTH / 2).min(words - from);
                    // SAFETY: the runs lie in the copies; the rest is promised by the caller.
                    unsafe {
                        self.gather(
                            panel.as_mut_ptr(),
                            copies,
                            &runs[..count],
                            lanes,
                            from,
                            pairs,
                        );
                        let out = Out {
                            dst,
                            start: match (from, self.bias) {
                                (0, None) => Start::Zero,
                                (0, Some(bias)) => Start::Rows(bias),
                                _ => Start::Held,
                            },
                        };
                        let left = Left::along(self.weight.as_ptr().wrapping_add(from), self.pitch);
                        let right = Right {
                            words: panel.as_ptr(),
                            first,
                            lanes,
                        };
                        out.add(left, self.rows, right, pairs);
                    }
                }
            }
        });
    }

    /// The words of `pairs` taps `(c, ky, kx)` from `from` on under the places of the runs.
    ///
    /// # Safety
    /// The panel has room for them; the runs lie in the copies; the processor has the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn gather(
        &self,
        panel: *mut u32,
        copies: &[u32],
        runs: &[Run],
        lanes: usize,
        from: usize,
        pairs: usize,
    ) {
        let width = lanes.next_multiple_of(pack::LANES);
        let taps = self.plan.taps();
        let (mut channel, mut tap) = (from / taps.len() * self.plan.channel, from % taps.len());
        for pair in 0..pairs {
            let source = copies.as_ptr().wrapping_add(channel + taps[tap]);
            let dst = panel.wrapping_add(pair * width);
            for run in runs {
                for at in (0..run.len).step_by(pack::LANES) {
                    let mask = pack::mask16(run.len - at);
                    // SAFETY: the masked lanes lie in the copies and in the panel.
                    unsafe {
                        let words = _mm512_maskz_loadu_epi32(
                            mask,
                            source.wrapping_add(run.from + at).cast(),
                        );
                        _mm512_mask_storeu_epi32(
                            dst.wrapping_add(run.lane + at).cast(),
                            mask,
                            words,
                        );
                    }
                }
            }
            tap += 1;
            if tap == taps.len() {
                (channel, tap) = (channel + self.plan.channel, 0);
            }
        }
    }
}
