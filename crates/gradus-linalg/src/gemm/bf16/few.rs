//! Products of few rows: the right operand is read once as it lies, not packed, at the pace of the memory.

use std::arch::x86_64::*;
use std::ops::Range;

use super::kernel::{Start, with_words};
use super::pack::{self, LANES};
use super::{Job, Rounded};
use crate::gemm::mat::Raw;
use crate::scratch::{SharedMut, with_scratch};
use crate::simd::prefetch;
use crate::threads::{current_threads, for_each_block};

/// Rows of the left operand at most: from here on packing costs less than it gains.
pub(super) const MOST: usize = 4;
/// Elements of the right operand that one task reads at least, 256 KiB of bf16: 12 µs at 22 GB/s.
const TASK: usize = 1 << 17;
/// Pieces for each thread.
const PIECES: usize = 2;
/// How far ahead of a column's terms is read, in bytes.
const AHEAD: usize = 4096;
/// Terms of a part, which is one chain.
const PART: usize = 128;
/// Columns of a part at most: their sums stay in the first cache. Rows that are no longer follow one another without a gap.
const WIDE: usize = 4096;

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
            if self.b.rs != 1 {
                // SAFETY: promised by the caller.
                return unsafe {
                    match m {
                        1 => self.sums::<1>(left, pitch, parallel),
                        2 => self.sums::<2>(left, pitch, parallel),
                        3 => self.sums::<3>(left, pitch, parallel),
                        _ => self.sums::<4>(left, pitch, parallel),
                    }
                };
            }
            // The cutting may depend on the threads: the bits do not depend on the cutting. Long pieces keep the prefetchers going.
            let block = n.div_ceil(PIECES * current_threads()).max(TASK / k);
            let block = block.next_multiple_of(2 * LANES);
            let each = |columns: Range<usize>| {
                // SAFETY: a part of the operands promised by the caller; tasks write different columns of dst.
                unsafe {
                    match m {
                        1 => self.dots::<1>(left, pitch, columns),
                        2 => self.dots::<2>(left, pitch, columns),
                        3 => self.dots::<3>(left, pitch, columns),
                        _ => self.dots::<4>(left, pitch, columns),
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
    unsafe fn finish(&self, row: usize, column: usize, sum: f32) {
        let place = self.dst.at(row, column).ptr;
        // SAFETY: promised by the caller.
        unsafe {
            *place = match Start::of(self, 0, true) {
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
                prefetch(place.wrapping_byte_add(AHEAD));
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
                unsafe { self.finish(r, j, _mm512_reduce_add_ps(sum)) };
            }
        }
    }

    /// Columns beside one another: rows are read from end to end in one stream, in parts of [`PART`] terms whose sums are added in order.
    ///
    /// # Safety
    /// `left` holds the `R` rows; the rest as for `of_few_rows`.
    unsafe fn sums<const R: usize>(self, left: &[u32], pitch: usize, parallel: bool) {
        let [_, n, k] = self.dims;
        let width = n.next_multiple_of(2 * LANES);
        let (parts, across) = (k.div_ceil(PART), n.div_ceil(WIDE));
        with_scratch(parts * R * width, |sums: &mut [f32]| {
            let all = SharedMut::new(sums);
            let each = |part: usize, column: usize| {
                let at = part * PART;
                let size = [PART.min(k - at), WIDE.min(n - column)];
                // SAFETY: a part of the operands promised by the caller; no other task has these sums, whose rows are padded to whole
                // registers.
                unsafe {
                    let sums = all.pointer().add(part * R * width + column);
                    let b = self.b.at(at, column);
                    sums_of_part::<B, R>(sums, width, &left[at / 2..], pitch, b, size);
                }
            };
            if parallel && current_threads() > 1 {
                let together = (TASK / (PART * n.min(WIDE))).max(1);
                for_each_block(parts * across, together, |_, tasks| {
                    tasks.for_each(|task| each(task / across, task % across * WIDE));
                });
            } else {
                (0..parts * across).for_each(|task| each(task / across, task % across * WIDE));
            }
            let (total, rest) = sums.split_at_mut(R * width);
            for part in rest.chunks_exact(R * width) {
                for (total, sum) in total.iter_mut().zip(part) {
                    *total += sum;
                }
            }
            for (r, row) in total.chunks_exact(width).enumerate() {
                for (column, &sum) in row[..n].iter().enumerate() {
                    // SAFETY: the destination has this element.
                    unsafe { self.finish(r, column, sum) };
                }
            }
        });
    }
}

/// Writes `R` rows of sums over a few terms.
///
/// # Safety
/// `sums` is writable in `R` rows of `pitch_of_sums` elements, up to `columns` rounded up to whole registers; `b` is readable as
/// `(terms, columns)` with columns of stride 1; `left` holds these terms of `R` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn sums_of_part<B: Rounded, const R: usize>(
    sums: *mut f32,
    pitch_of_sums: usize,
    left: &[u32],
    pitch: usize,
    b: Raw<B>,
    [terms, columns]: [usize; 2],
) {
    for term in 0..terms {
        let mut scales = [_mm512_setzero_ps(); R];
        for (r, scale) in scales.iter_mut().enumerate() {
            let word = left[r * pitch + term / 2];
            let bits = [word << 16, word & 0xffff_0000][term % 2];
            *scale = _mm512_set1_ps(f32::from_bits(bits));
        }
        let row = Row {
            sums,
            pitch: pitch_of_sums,
            b: b.at(term, 0).ptr.cast_const(),
            scales,
            is_first: term == 0,
        };
        let mut c = 0;
        // SAFETY: the row has these columns, and the sums whole registers.
        unsafe {
            while c + 4 * LANES <= columns {
                row.add::<2>(c, 4 * LANES);
                c += 4 * LANES;
            }
            while c < columns {
                row.add::<1>(c, columns - c);
                c += 2 * LANES;
            }
        }
    }
    let first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    let second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    for r in 0..R {
        for c in (0..columns).step_by(2 * LANES) {
            // SAFETY: as above.
            unsafe {
                let sums = sums.add(r * pitch_of_sums + c);
                let (even, odd) = (_mm512_loadu_ps(sums), _mm512_loadu_ps(sums.add(LANES)));
                _mm512_storeu_ps(sums, _mm512_permutex2var_ps(even, first, odd));
                _mm512_storeu_ps(sums.add(LANES), _mm512_permutex2var_ps(even, second, odd));
            }
        }
    }
}

/// A row of the matrix, and the sums that it is added to.
struct Row<B, const R: usize> {
    sums: *mut f32,
    /// From a row of sums to the next.
    pitch: usize,
    b: *const B,
    scales: [__m512; R],
    /// Nothing was added to the sums yet.
    is_first: bool,
}

impl<B: Rounded, const R: usize> Row<B, R> {
    /// Adds `N` registers from column `c` on, of which `columns` are there.
    ///
    /// A register of 32 columns has the even ones in its low halves: their sums are held apart until the end. All sums are read before the
    /// first is written: with a write between the reads the matrix comes at 13 GB/s instead of 28 (Zen 4).
    ///
    /// # Safety
    /// The row is readable there, in `columns` or all columns of `N` registers, and the sums writable.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn add<const N: usize>(&self, c: usize, columns: usize) {
        let high = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
        let place = |r: usize, n: usize| self.sums.wrapping_add(r * self.pitch + c + n * 2 * LANES);
        let mut held = [[[_mm512_setzero_ps(); 2]; R]; N];
        if !self.is_first {
            for (n, held) in held.iter_mut().enumerate() {
                for (r, held) in held.iter_mut().enumerate() {
                    let sums = place(r, n);
                    // SAFETY: the row of sums has these two registers.
                    *held = unsafe { [_mm512_loadu_ps(sums), _mm512_loadu_ps(sums.add(LANES))] };
                }
            }
        }
        for (n, held) in held.iter_mut().enumerate() {
            let at = n * 2 * LANES;
            // SAFETY: the row has these columns.
            let words = unsafe { pack::terms(self.b.wrapping_add(c + at), columns - at) };
            let even = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
            let odd = _mm512_castsi512_ps(_mm512_and_si512(words, high));
            for (held, &scale) in held.iter_mut().zip(&self.scales) {
                held[0] = _mm512_fmadd_ps(scale, even, held[0]);
                held[1] = _mm512_fmadd_ps(scale, odd, held[1]);
            }
        }
        for (n, held) in held.iter().enumerate() {
            for (r, held) in held.iter().enumerate() {
                let sums = place(r, n);
                // SAFETY: as above.
                unsafe {
                    _mm512_storeu_ps(sums, held[0]);
                    _mm512_storeu_ps(sums.add(LANES), held[1]);
                }
            }
        }
    }
}
