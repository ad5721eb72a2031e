//! Operands of a blocked product, copied so that the elements of one term follow one another.
//!
//! A packed block is read once for every tile that it meets, in order and without strides. Lines are rows of a left operand and columns of
//! a right one; where the terms of a line are contiguous the copy is a transposition, done in registers where there are wide ones.

use gradus_tensor::DType;
use pulp::{Simd, WithSimd};

use super::MatRef;
use super::mat::Raw;
use crate::float::Float;
use crate::lanes::Lanes;

/// Columns of a panel of [`transposed_panels`].
pub(crate) const PANEL: usize = 64;

/// `dst[panel][p][c] = x(panel · PANEL + c, p)`: the transpose in panels of [`PANEL`] columns, the last filled up with zeros.
///
/// # Panics
/// If `dst` has not one element for each place of the panels: a bug of the caller.
pub(crate) fn transposed_panels<T: Float>(dst: &mut [T], x: MatRef<'_, T>) {
    let (lines, rows, terms) = (x.raw(), x.rows(), x.cols());
    assert_eq!(
        dst.len(),
        rows.next_multiple_of(PANEL) * terms,
        "transposed_panels: length of dst"
    );
    if terms == 0 {
        return;
    }
    for (panel, dst) in dst.chunks_exact_mut(PANEL * terms).enumerate() {
        let first = panel * PANEL;
        let (lines, count) = (lines.at(first, 0), PANEL.min(rows - first));
        let counts = [count, rows - first - count];
        match T::DTYPE {
            DType::F32 => Panel::<f32>::run(dst, lines, counts),
            _ => Panel::<f64>::run(dst, lines, counts),
        }
    }
}

/// One panel: `counts` are its lines and how many follow.
struct Panel<'a, T> {
    dst: &'a mut [T],
    lines: Raw<T>,
    counts: [usize; 2],
}

impl<T: Lanes> Panel<'_, T> {
    /// Called with the `U` that `T` is.
    fn run<U: Float>(dst: &mut [U], lines: Raw<U>, counts: [usize; 2]) {
        assert_eq!(T::DTYPE, U::DTYPE);
        let lines = lines.cast::<T>();
        // SAFETY: T and U are the same type.
        let dst =
            unsafe { std::slice::from_raw_parts_mut(dst.as_mut_ptr().cast::<T>(), dst.len()) };
        pulp::Arch::new().dispatch(Panel { dst, lines, counts });
    }
}

impl<T: Lanes> WithSimd for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        // SAFETY: `lines` are as many rows of a MatRef, whose bounds are proven, with as many terms; pulp chose S for this machine.
        unsafe { interleave::<S, T, PANEL>(self.dst, self.lines, self.counts) }
    }
}

/// `dst[p · W + i] = lines(i, p)` for `i < count ≤ W` and each term `p` of `dst`; 0 for the other `i`. `following` lines come next: they may be
/// asked for.
///
/// # Safety
/// `lines` is readable in `count` rows and `dst.len() / W` columns, and S is an instruction set of this machine.
#[inline(always)]
pub(super) unsafe fn interleave<S: Simd, T: Lanes, const W: usize>(
    dst: &mut [T],
    lines: Raw<T>,
    [count, following]: [usize; 2],
) {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = following;
    // SAFETY: promised by the caller, for each.
    unsafe {
        if lines.rs == 1 && count == W {
            for (p, dst) in dst.chunks_exact_mut(W).enumerate() {
                let source = lines.at(0, p).ptr.cast::<[T; W]>();
                dst.copy_from_slice(&source.read_unaligned());
            }
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if lines.cs == 1 && size_of::<T::Register<S>>() == 64 && T::DTYPE == DType::F32 {
            let terms = dst.len() / W;
            let lines = lines.cast::<f32>();
            return wide::transpose::<W>(
                dst.as_mut_ptr().cast::<f32>(),
                lines,
                [count, following],
                terms,
            );
        }
        if count == W {
            for (p, dst) in dst.chunks_exact_mut(W).enumerate() {
                let source = lines.at(0, p);
                for i in 0..W {
                    dst[i] = *source.at(i, 0).ptr;
                }
            }
            return;
        }
        for (p, dst) in dst.chunks_exact_mut(W).enumerate() {
            for (i, d) in dst[..count].iter_mut().enumerate() {
                *d = *lines.at(i, p).ptr;
            }
            dst[count..].fill(T::ZERO);
        }
    }
}

/// Transposition by registers of 16 f32.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use crate::gemm::ahead::Ahead;
    use crate::gemm::mat::Raw;

    /// As [`super::interleave`] of `count` lines whose terms are contiguous.
    ///
    /// # Safety
    /// The lines are readable in `terms` elements, `dst` is writable in `terms · W`.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose<const W: usize>(
        dst: *mut f32,
        lines: Raw<f32>,
        [count, following]: [usize; 2],
        terms: usize,
    ) {
        let stride = lines.rs;
        for first in (0..W).step_by(16) {
            let width = (W - first).min(16);
            let own = count.saturating_sub(first).min(width);
            let lines = lines.at(first, 0);
            let next = width.min((count + following).saturating_sub(first + width));
            let mut ahead = Ahead::new(lines.at(width, 0), [next, terms]);
            let whole = match (own, width) {
                (16, _) | (12, 12) => terms / 16 * 16,
                _ => 0,
            };
            for p in (0..terms).step_by(16) {
                ahead.ask(16 * width);
                let (dst, lines) = (dst.wrapping_add(p * W + first), lines.at(0, p).ptr);
                // SAFETY: the caller's promise, for at most 16 of the lines and terms.
                unsafe {
                    match (p < whole, width) {
                        (true, 16) => block::<W, 16>(dst, lines, stride),
                        (true, _) => block::<W, 12>(dst, lines, stride),
                        _ => part::<W>(dst, lines, stride, [own, width, (terms - p).min(16)]),
                    }
                }
            }
        }
    }

    /// 16 terms of N lines, N being 12 or 16.
    ///
    /// # Safety
    /// As for [`transpose`].
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn block<const W: usize, const N: usize>(
        dst: *mut f32,
        lines: *const f32,
        stride: isize,
    ) {
        let mut rows = [_mm512_setzero_ps(); 16];
        for i in 0..N {
            // SAFETY: 16 terms of line i.
            rows[i] = unsafe { _mm512_loadu_ps(lines.wrapping_offset(stride * i as isize)) };
        }
        let columns = turn(rows);
        for p in 0..16 {
            let dst = dst.wrapping_add(p * W);
            // SAFETY: N elements of term p; they are whole registers or three quarters of one.
            unsafe {
                if N == 16 {
                    _mm512_storeu_ps(dst, columns[p]);
                } else {
                    let (low, high) = (columns[p], _mm512_extractf32x4_ps::<2>(columns[p]));
                    _mm256_storeu_ps(dst, _mm512_castps512_ps256(low));
                    _mm_storeu_ps(dst.wrapping_add(8), high);
                }
            }
        }
    }

    /// At most 16 `terms` of `own` lines, and zeros up to `width` lines.
    ///
    /// # Safety
    /// As for [`transpose`].
    #[target_feature(enable = "avx512f")]
    unsafe fn part<const W: usize>(
        dst: *mut f32,
        lines: *const f32,
        stride: isize,
        [own, width, terms]: [usize; 3],
    ) {
        let mut rows = [_mm512_setzero_ps(); 16];
        for (i, row) in rows.iter_mut().enumerate().take(own) {
            let line = lines.wrapping_offset(stride * i as isize);
            // SAFETY: these terms of line i.
            *row = unsafe { _mm512_maskz_loadu_ps(mask(terms), line) };
        }
        for (p, &column) in turn(rows).iter().enumerate().take(terms) {
            // SAFETY: the elements of term p.
            unsafe { _mm512_mask_storeu_ps(dst.wrapping_add(p * W), mask(width), column) };
        }
    }

    /// The first `n` lanes.
    fn mask(n: usize) -> __mmask16 {
        ((1_u32 << n) - 1) as __mmask16
    }

    /// Rows become columns.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn turn(rows: [__m512; 16]) -> [__m512; 16] {
        let mut pairs = rows;
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
        }
        // quads[4 i + j] holds, of rows 4 i .. 4 i + 4, columns j, j + 4, j + 8 and j + 12
        let mut quads = pairs;
        for i in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|j| _mm512_castps_pd(pairs[4 * i + j]));
            quads[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
            quads[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
            quads[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
            quads[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
        }
        let mut columns = quads;
        for j in 0..4 {
            let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
            let (low, low2) = (
                _mm512_shuffle_f32x4::<0x88>(a, b),
                _mm512_shuffle_f32x4::<0x88>(c, d),
            );
            let (high, high2) = (
                _mm512_shuffle_f32x4::<0xdd>(a, b),
                _mm512_shuffle_f32x4::<0xdd>(c, d),
            );
            columns[j] = _mm512_shuffle_f32x4::<0x88>(low, low2);
            columns[j + 8] = _mm512_shuffle_f32x4::<0xdd>(low, low2);
            columns[j + 4] = _mm512_shuffle_f32x4::<0x88>(high, high2);
            columns[j + 12] = _mm512_shuffle_f32x4::<0xdd>(high, high2);
        }
        columns
    }
}
