//! Products of few rows: the right operand is read once as it lies, not packed, at the pace of the memory.

use std::arch::x86_64::*;
use std::ops::Range;

use super::kernel::{Start, with_words};
use super::pack::{self, LANES};
use super::{DEPTH, Job, Rounded};
use crate::gemm::mat::Raw;
use crate::scratch::with_scratch;
use crate::threads::{current_threads, for_each_block};

/// Rows of the left operand at most: from here on packing costs less than it gains.
pub(super) const MOST: usize = 4;
/// Elements of the right operand that one task reads at least, 256 KiB of bf16: 12 µs at 22 GB/s.
const TASK: usize = 1 << 17;
/// Pieces for each thread.
const PIECES: usize = 2;
/// How far ahead of a column's terms is read, in bytes.
const AHEAD: usize = 4096;
/// Pairs of rows that are read together: so many streams the prefetchers follow.
const TOGETHER: usize = 4;

impl<A: Rounded, B: Rounded> Job<'_, A, B> {
    /// Runs the product if it has few rows and the right operand has contiguous rows or columns; says whether it did.
    ///
    /// # Safety
    /// As for `accelerated`.
    pub(super) unsafe fn of_few_rows(self, parallel: bool) -> bool {
        let [m, n, k] = self.dims;
        if m > MOST || !(self.b.rs == 1 || self.b.cs == 1) {
            return false;
        }
        let pitch = k.div_ceil(2).next_multiple_of(LANES);
        with_words(m * pitch, |left| {
            // SAFETY: the left operand has these rows and terms.
            unsafe { pack::along(left.as_mut_ptr(), pitch, self.a, m, k) };
            let left = &*left;
            // The cutting may depend on the threads: the bits do not depend on the cutting. Long pieces keep the prefetchers going.
            let block = n.div_ceil(PIECES * current_threads()).max(TASK / k);
            let block = block.next_multiple_of(2 * LANES);
            let each = |columns: Range<usize>| {
                // SAFETY: a part of the operands promised by the caller; tasks write different columns of dst.
                unsafe {
                    match (self.b.rs == 1, m) {
                        (true, 1) => self.dots::<1>(left, pitch, columns),
                        (true, 2) => self.dots::<2>(left, pitch, columns),
                        (true, 3) => self.dots::<3>(left, pitch, columns),
                        (true, _) => self.dots::<4>(left, pitch, columns),
                        (false, 1) => self.sums::<1>(left, pitch, columns),
                        (false, 2) => self.sums::<2>(left, pitch, columns),
                        (false, 3) => self.sums::<3>(left, pitch, columns),
                        (false, _) => self.sums::<4>(left, pitch, columns),
                    }
                }
            };
            if parallel && current_threads() > 1 {
                for_each_block(n, block, |_, columns| each(columns));
            } else {
                each(0..n);
            }
        });
        true
    }

    /// What a row starts from.
    ///
    /// # Safety
    /// The destination has this row and column.
    unsafe fn finish(&self, row: usize, column: usize, sum: f32, first: bool) {
        let place = self.dst.at(row, column).ptr;
        // SAFETY: promised by the caller.
        unsafe {
            *place = match Start::of(self, 0, first) {
                Start::Zero => sum,
                Start::Columns(bias) => bias[column] + sum,
                Start::Rows(bias) => bias[row] + sum,
                Start::Held => *place + sum,
            };
        }
    }

    /// Columns whose terms follow one another: four chains of 16 partial sums an element, added by a fixed tree.
    ///
    /// # Safety
    /// `left` holds the `R` rows; the rest as for `of_few_rows`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn dots<const R: usize>(self, left: &[u32], pitch: usize, columns: Range<usize>) {
        const CHAINS: usize = 4;
        let k = self.dims[2];
        for j in columns {
            let mut sums = [[_mm512_setzero_ps(); R]; CHAINS];
            for (chunk, at) in (0..k).step_by(2 * LANES).enumerate() {
                let sums = &mut sums[chunk % CHAINS];
                let place = self.b.at(at, j).ptr.cast_const();
                _mm_prefetch::<_MM_HINT_T0>(place.wrapping_byte_add(AHEAD).cast());
                // SAFETY: the right operand has this column and these terms, and the packed rows hold whole registers, which are
                // reinterpreted.
                unsafe {
                    let terms = pack::terms(place, k - at);
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let row = _mm512_loadu_si512(left[r * pitch + at / 2..].as_ptr().cast());
                        *sum = _mm512_dpbf16_ps(
                            *sum,
                            std::mem::transmute::<__m512i, __m512bh>(row),
                            std::mem::transmute::<__m512i, __m512bh>(terms),
                        );
                    }
                }
            }
            for r in 0..R {
                let low = _mm512_add_ps(sums[0][r], sums[1][r]);
                let sum = _mm512_add_ps(low, _mm512_add_ps(sums[2][r], sums[3][r]));
                // SAFETY: the destination has this element.
                unsafe { self.finish(r, j, _mm512_reduce_add_ps(sum), true) };
            }
        }
    }

    /// Columns beside one another: chains along K, cut as those of blocks.
    ///
    /// # Safety
    /// As for `dots`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn sums<const R: usize>(self, left: &[u32], pitch: usize, columns: Range<usize>) {
        let k = self.dims[2];
        let width = columns.len().next_multiple_of(2 * LANES);
        with_scratch(R * width, |sums: &mut [f32]| {
            for from in (0..k).step_by(DEPTH) {
                let end = k.min(from + DEPTH);
                sums.fill(0.0);
                for at in (from..end).step_by(2 * TOGETHER) {
                    let pairs = (end - at).div_ceil(2).min(TOGETHER);
                    let b = self.b.at(at, columns.start);
                    let words = &left[at / 2..];
                    // SAFETY: rows from `at` on and these columns are the right operand's.
                    unsafe {
                        add_rows::<B, R>(sums, words, pitch, b, columns.len(), [pairs, end - at]);
                    }
                }
                for (r, row) in sums.chunks_exact(width).enumerate() {
                    for (column, &sum) in columns.clone().zip(row) {
                        // SAFETY: the destination has this element.
                        unsafe { self.finish(r, column, sum, from == 0) };
                    }
                }
            }
        });
    }
}

/// Adds the products of a few pairs of terms to `R` rows of sums.
///
/// # Safety
/// `b` is readable in `rows` rows, at least one for each pair, and `count` columns of stride 1.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn add_rows<B: Rounded, const R: usize>(
    sums: &mut [f32],
    left: &[u32],
    pitch: usize,
    b: Raw<B>,
    count: usize,
    [pairs, rows]: [usize; 2],
) {
    let width = sums.len() / R;
    for c in (0..count).step_by(2 * LANES) {
        let mut held = [[_mm512_setzero_ps(); 2]; R];
        for (r, held) in held.iter_mut().enumerate() {
            let place = sums[r * width + c..][..2 * LANES].as_ptr();
            // SAFETY: the slice has two registers.
            *held = unsafe { [_mm512_loadu_ps(place), _mm512_loadu_ps(place.add(LANES))] };
        }
        for pair in 0..pairs {
            // The same columns of the next rows.
            for next in [2 * pair, 2 * pair + 1] {
                let place = b.at(2 * TOGETHER + next, c).ptr.cast_const();
                _mm_prefetch::<_MM_HINT_T0>(place.cast());
            }
            let high = (2 * pair + 1 < rows).then(|| b.at(2 * pair + 1, c).ptr.cast_const());
            // SAFETY: the row has these columns; registers are reinterpreted.
            unsafe {
                let low = b.at(2 * pair, c).ptr.cast_const();
                let words = pack::wide_pairs(low, high, count - c);
                for (r, held) in held.iter_mut().enumerate() {
                    let word = _mm512_set1_epi32(left[r * pitch + pair].cast_signed());
                    let word = std::mem::transmute::<__m512i, __m512bh>(word);
                    for (held, &words) in held.iter_mut().zip(&words) {
                        let words = std::mem::transmute::<__m512i, __m512bh>(words);
                        *held = _mm512_dpbf16_ps(*held, word, words);
                    }
                }
            }
        }
        for (r, held) in held.iter().enumerate() {
            let place = sums[r * width + c..][..2 * LANES].as_mut_ptr();
            // SAFETY: the slice has two registers.
            unsafe {
                _mm512_storeu_ps(place, held[0]);
                _mm512_storeu_ps(place.add(LANES), held[1]);
            }
        }
    }
}
