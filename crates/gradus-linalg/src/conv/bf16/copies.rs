//! Copies of images with their padding in bf16, so that every tap of every output is one addition away.
//!
//! A copy holds the input under some output rows of one image: channel by channel, phase by phase ([`Phases`]), row by row. Output row `oy` and column `ox` stand at place `oy · pitch + ox`, and the input under a tap at its offset from there.

use std::arch::x86_64::*;

use crate::conv::Geometry;
use crate::conv::packed::Phases;
use crate::gemm::Raw;
use crate::gemm::bf16::pack;
use crate::im2col::Images;
use crate::scratch::with_scratch;

/// Elements after each channel that are written with its last row: a register.
const SLACK: usize = 32;

/// The layout of copies of `rows` output rows.
pub(super) struct Plan {
    phases: Phases,
    /// Elements of one channel, with what is written beyond its end.
    pub(super) channel: usize,
    /// Places from one output row to the next.
    pub(super) pitch: usize,
}

impl Plan {
    pub(super) fn new(g: &Geometry, rows: usize) -> Self {
        let phases = Phases::new(g, rows);
        Self {
            channel: phases.len() + SLACK,
            pitch: phases.pitch(),
            phases,
        }
    }

    /// From a place to each tap `(ky, kx)`.
    pub(super) fn taps(&self) -> &[usize] {
        &self.phases.taps
    }

    /// Fills copies of channels `channels` (at `dst`) with the input under output rows from `first_row` on of image `n`; `row` stores one
    /// row of `pitch` values at an element of the copy.
    fn fill(
        &self,
        source: &Source<'_>,
        channels: std::ops::Range<usize>,
        per_copy: usize,
        mut row: impl FnMut(usize, &mut [f32]),
    ) {
        let Source {
            images,
            g,
            n,
            group,
            first_row,
        } = *source;
        let width = self.pitch;
        with_scratch(per_copy * width, |lines: &mut [f32]| {
            for (index, c) in channels.enumerate() {
                let starts = (index * self.channel..).step_by(width);
                for (origin, at) in self.phases.rows(g, first_row).zip(starts) {
                    lines.fill(0.0);
                    for (part, line) in lines.chunks_exact_mut(width).enumerate() {
                        let channel = c * per_copy + part;
                        if channel < g.c_in {
                            let channel = group * g.c_in + channel;
                            gather_row(line, images, [n, channel], origin, g);
                        }
                    }
                    row(at, lines);
                }
            }
        });
    }

    /// Words of pairs of channels: `dst` is written for pairs `pairs`, from its start.
    ///
    /// # Safety
    /// `dst` is writable in `pairs.len() · channel` words; the processor has the instructions.
    pub(super) unsafe fn words(
        &self,
        dst: *mut u32,
        source: &Source<'_>,
        pairs: std::ops::Range<usize>,
    ) {
        let width = self.pitch;
        self.fill(source, pairs, 2, |at, lines| {
            let x = Raw {
                ptr: lines.as_mut_ptr(),
                rs: 1,
                cs: width as isize,
            };
            // SAFETY: the row lies in the copy, and what is stored beyond it in the next row, which comes later, or after the channel.
            unsafe {
                let dst = dst.wrapping_add(at);
                pack::across(dst, width.next_multiple_of(pack::LANES), x, width, 2);
            }
        });
    }

    /// Values of channels, one bf16 each: `dst` is written for channels `channels`, from its start.
    ///
    /// # Safety
    /// `dst` is writable in `channels.len() · channel` elements; the processor has the instructions.
    pub(super) unsafe fn halves(
        &self,
        dst: *mut u16,
        source: &Source<'_>,
        channels: std::ops::Range<usize>,
    ) {
        let width = self.pitch;
        self.fill(source, channels, 1, |at, line| {
            let x = Raw {
                ptr: line.as_mut_ptr(),
                rs: 0,
                cs: 1,
            };
            // SAFETY: as in `words`; the registers are stored at any address.
            unsafe { pack::along(dst.wrapping_add(at).cast::<u32>(), 0, x, 1, width) };
        });
    }
}

/// [`Images::gather_row`]; every second value of a contiguous image in registers.
fn gather_row(
    line: &mut [f32],
    images: Images<'_, f32>,
    [n, c]: [usize; 2],
    [y, x]: [isize; 2],
    g: &Geometry,
) {
    let [h, w] = g.input;
    let plain = images.is_unit() && images.rows_merge(g.input);
    if g.stride[1] != 2 || !plain {
        return images.gather_row(line, [n, c], [y, x], g.stride[1], g.input);
    }
    if y < 0 || y >= h as isize || x >= w as isize {
        return;
    }
    let first = (-x).max(0) as usize;
    let (skipped, from) = (
        first.div_ceil(2),
        (x + first.next_multiple_of(2) as isize) as usize,
    );
    let row = &images.run(n, c, h * w)[y as usize * w..][..w];
    let (Some(line), Some(row)) = (line.get_mut(skipped..), row.get(from..)) else {
        return;
    };
    // SAFETY: the callers know that the processor has the instructions.
    unsafe { every_second(line, row) };
}

/// `line[i] = row[2 i]`, as far as both go.
///
/// # Safety
/// The processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn every_second(line: &mut [f32], row: &[f32]) {
    let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    for (line, row) in line.chunks_mut(16).zip(row.chunks(32)) {
        let masks = [row.len(), row.len().saturating_sub(16)].map(pack::mask16);
        let count = line.len().min(row.len().div_ceil(2));
        let ptr = row.as_ptr();
        // SAFETY: the masks leave out what the slices do not have.
        unsafe {
            let low = _mm512_maskz_loadu_ps(masks[0], ptr);
            let high = _mm512_maskz_loadu_ps(masks[1], ptr.wrapping_add(16));
            let values = _mm512_permutex2var_ps(low, even, high);
            _mm512_mask_storeu_ps(line.as_mut_ptr(), pack::mask16(count), values);
        }
    }
}

/// What a copy is made of.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) images: Images<'a, f32>,
    pub(super) g: &'a Geometry,
    pub(super) n: usize,
    pub(super) group: usize,
    pub(super) first_row: usize,
}
