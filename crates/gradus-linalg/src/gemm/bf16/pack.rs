//! Operands rounded to bf16 and packed in pairs along K: a 32-bit word holds an even term in its low half and the next one in its high half.
//!
//! An operand is seen as lanes along K: lane `l`, term `k` is `x.at(l, k)`. The rows of the left operand and the columns of the right one are
//! lanes. Terms past an odd end and lanes past the last are 0.

use std::arch::x86_64::*;

use gradus_tensor::DType;

use super::Rounded;
use crate::gemm::ahead::{Ahead, rows_ahead};
use crate::gemm::mat::Raw;
use crate::simd::prefetch_far;

/// Lanes of a register of pairs.
pub(crate) const LANES: usize = 16;

/// The lowest `count` of 16 bits.
#[inline]
pub(crate) fn mask16(count: usize) -> u16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

/// The lowest `count` of 32 bits.
#[inline]
fn mask32(count: usize) -> u32 {
    if count >= 32 { !0 } else { (1 << count) - 1 }
}

/// 32 terms that follow one another, rounded; those from `count` on are 0 and not read.
///
/// # Safety
/// `ptr` is readable in its first `count` elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn terms<T: Rounded>(ptr: *const T, count: usize) -> __m512i {
    // SAFETY: the masks leave out what is not readable; T is f32 or bf16, as its dtype says; registers of 64 bytes are reinterpreted.
    unsafe {
        if T::DTYPE == DType::F32 {
            let ptr = ptr.cast::<f32>();
            let low = _mm512_maskz_loadu_ps(mask16(count), ptr);
            let high =
                _mm512_maskz_loadu_ps(mask16(count.saturating_sub(16)), ptr.wrapping_add(16));
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
        } else {
            _mm512_maskz_loadu_epi16(mask32(count), ptr.cast::<i16>())
        }
    }
}

/// Pairs of 16 lanes that follow one another: the low halves from `low`, the high ones from `high` or 0; lanes from `count` on are 0.
///
/// # Safety
/// Both are readable in their first `count` elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pairs<T: Rounded>(low: *const T, high: Option<*const T>, count: usize) -> __m512i {
    // SAFETY: as in `terms`.
    unsafe {
        let both = if T::DTYPE == DType::F32 {
            let mask = mask16(count);
            let low = _mm512_maskz_loadu_ps(mask, low.cast());
            let high = match high {
                Some(high) => _mm512_maskz_loadu_ps(mask, high.cast()),
                None => _mm512_setzero_ps(),
            };
            std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
        } else {
            let mask = mask16(count);
            let low = _mm256_maskz_loadu_epi16(mask, low.cast());
            let high = match high {
                Some(high) => _mm256_maskz_loadu_epi16(mask, high.cast()),
                None => _mm256_setzero_si256(),
            };
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        };
        let order = _mm512_set_epi16(
            31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
            4, 19, 3, 18, 2, 17, 1, 16, 0,
        );
        _mm512_permutexvar_epi16(order, both)
    }
}

/// Exchanges rows and columns of 16 × 16 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut a = rows;
    for i in 0..8 {
        a[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut b = a;
    for i in 0..4 {
        for j in 0..2 {
            b[4 * i + 2 * j] = _mm512_unpacklo_epi64(a[4 * i + j], a[4 * i + 2 + j]);
            b[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(a[4 * i + j], a[4 * i + 2 + j]);
        }
    }
    // b[4 i + c] holds columns c, 4 + c, 8 + c and 12 + c of rows 4 i to 4 i + 3.
    let mut out = b;
    for c in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(b[c], b[4 + c]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(b[c], b[4 + c]);
        let even_below = _mm512_shuffle_i32x4::<0x88>(b[8 + c], b[12 + c]);
        let odd_below = _mm512_shuffle_i32x4::<0xdd>(b[8 + c], b[12 + c]);
        out[c] = _mm512_shuffle_i32x4::<0x88>(even, even_below);
        out[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even, even_below);
        out[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd, odd_below);
        out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_below);
    }
    out
}

/// How lanes are cut into panels: `width` lanes each, a multiple of 16, in `words` words; those of the last are `last` wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    pub(crate) width: usize,
    pub(crate) words: usize,
    pub(crate) last: usize,
}

/// Packs `lanes` lanes so that those of a pair follow one another, panel by panel: `dst[panel · words + pair · width + lane]`. Lanes from `lanes`
/// rounded up to a multiple of 16 on are not written.
///
/// # Safety
/// `x` is readable in `lanes` lanes and `count` terms, `dst` writable in the panels, of which each has room for `count.div_ceil(2)` pairs. The
/// processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn in_panels<T: Rounded>(
    dst: *mut u32,
    panels: Panels,
    x: Raw<T>,
    lanes: usize,
    count: usize,
) {
    if x.rs == 1 || lanes == 1 {
        // SAFETY: promised by the caller.
        return unsafe { side_by_side(dst, panels, x, lanes, count) };
    }
    for first in (0..lanes).step_by(LANES) {
        let (panel, lane) = (first / panels.width, first % panels.width);
        let is_last = lanes - panel * panels.width <= panels.width;
        let width = if is_last { panels.last } else { panels.width };
        let dst = dst.wrapping_add(panel * panels.words + lane);
        let following = LANES.min(lanes.saturating_sub(first + LANES));
        let (x, lanes) = (x.at(first, 0), LANES.min(lanes - first));
        // SAFETY: promised by the caller, for these lanes.
        unsafe {
            if x.cs == 1 {
                turned(dst, width, x, [lanes, following], count);
            } else {
                one_by_one(dst, width, x, lanes, count);
            }
        }
    }
}

/// Packs the lanes of one panel, `width` words a pair: `dst[pair · width + lane]`.
///
/// # Safety
/// As for [`in_panels`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn across<T: Rounded>(
    dst: *mut u32,
    width: usize,
    x: Raw<T>,
    lanes: usize,
    count: usize,
) {
    debug_assert!(width.is_multiple_of(LANES) && width >= lanes);
    let panels = Panels {
        width,
        words: 0,
        last: width,
    };
    // SAFETY: promised by the caller.
    unsafe { in_panels(dst, panels, x, lanes, count) }
}

/// [`in_panels`] of lanes that lie side by side, pair after pair: memory is read in as long pieces as there are.
///
/// # Safety
/// As for [`in_panels`]; `x.rs` is 1, or there is one lane.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn side_by_side<T: Rounded>(
    dst: *mut u32,
    panels: Panels,
    x: Raw<T>,
    lanes: usize,
    count: usize,
) {
    let far = rows_ahead(lanes);
    for k in (0..count).step_by(2) {
        let high = (k + 1 < count).then(|| x.at(0, k + 1).ptr.cast_const());
        let low = x.at(0, k).ptr.cast_const();
        for (panel, first) in (0..lanes).step_by(panels.width).enumerate() {
            let end = lanes.min(first + panels.width);
            let width = if end == lanes {
                panels.last
            } else {
                panels.width
            };
            let dst = dst.wrapping_add(panel * panels.words + k / 2 * width);
            for lane in (first..end).step_by(LANES) {
                if k + 1 + far < count {
                    // 16 lanes are at most one line.
                    prefetch_far(x.at(lane, k + far).ptr);
                    prefetch_far(x.at(lane, k + 1 + far).ptr);
                }
                let high = high.map(|high| high.wrapping_add(lane));
                // SAFETY: the caller's promise, for at most 16 of the lanes.
                unsafe {
                    let words = pairs(low.wrapping_add(lane), high, LANES.min(end - lane));
                    _mm512_storeu_si512(dst.wrapping_add(lane - first).cast(), words);
                }
            }
        }
    }
}

/// At most 16 lanes whose terms follow one another, `width` words a pair; `following` lanes come next.
///
/// # Safety
/// As for [`in_panels`]; `x.cs` is 1.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn turned<T: Rounded>(
    dst: *mut u32,
    width: usize,
    x: Raw<T>,
    [lanes, following]: [usize; 2],
    count: usize,
) {
    let mut ahead = Ahead::new(x.at(LANES, 0), [following, count]);
    for k in (0..count).step_by(2 * LANES) {
        let mut rows = [_mm512_setzero_si512(); LANES];
        if lanes == LANES && k + 2 * LANES <= count {
            // Constant bounds: the rows stay in registers.
            for (lane, row) in rows.iter_mut().enumerate() {
                // SAFETY: promised by the caller.
                *row = unsafe { terms(x.at(lane, k).ptr.cast_const(), 2 * LANES) };
                ahead.ask(2 * LANES);
            }
        } else {
            for (lane, row) in rows[..lanes].iter_mut().enumerate() {
                // SAFETY: promised by the caller.
                *row = unsafe { terms(x.at(lane, k).ptr.cast_const(), count - k) };
                ahead.ask(2 * LANES);
            }
        }
        let columns = transpose(rows);
        let pairs = (count - k).div_ceil(2).min(LANES);
        for (pair, &words) in columns[..pairs].iter().enumerate() {
            let dst = dst.wrapping_add((k / 2 + pair) * width);
            // SAFETY: promised by the caller, for these pairs.
            unsafe { _mm512_storeu_si512(dst.cast(), words) };
        }
    }
}

/// At most 16 lanes of any strides, `width` words a pair.
///
/// # Safety
/// As for [`in_panels`].
unsafe fn one_by_one<T: Rounded>(
    dst: *mut u32,
    width: usize,
    x: Raw<T>,
    lanes: usize,
    count: usize,
) {
    for k in (0..count).step_by(2) {
        for lane in 0..LANES {
            // SAFETY: promised by the caller.
            unsafe {
                *dst.add(k / 2 * width + lane) = if lane < lanes {
                    word(x, lane, k, count)
                } else {
                    0
                };
            }
        }
    }
}

/// Packs `lanes` lanes one after the other: `dst[lane · pitch + pair]`, `pitch` being a multiple of 16 words that holds all pairs.
///
/// # Safety
/// As for [`across`], with `dst` writable in `lanes · pitch` words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn along<T: Rounded>(
    dst: *mut u32,
    pitch: usize,
    x: Raw<T>,
    lanes: usize,
    count: usize,
) {
    for lane in 0..lanes {
        let dst = dst.wrapping_add(lane * pitch);
        // SAFETY: a part of what the caller promised.
        unsafe {
            if x.cs == 1 {
                for k in (0..count).step_by(2 * LANES) {
                    let words = terms(x.at(lane, k).ptr.cast_const(), count - k);
                    _mm512_storeu_si512(dst.add(k / 2).cast(), words);
                }
            } else {
                for k in (0..count).step_by(2) {
                    *dst.add(k / 2) = word(x, lane, k, count);
                }
            }
        }
    }
}

/// One pair of a lane.
///
/// # Safety
/// The lane is readable in `count` terms, `k` is one of them.
#[inline]
unsafe fn word<T: Rounded>(x: Raw<T>, lane: usize, k: usize, count: usize) -> u32 {
    // SAFETY: promised by the caller.
    let term = |k: usize| u32::from(unsafe { *x.at(lane, k).ptr }.to_bf16().to_bits());
    let high = if k + 1 < count { term(k + 1) } else { 0 };
    term(k) | high << 16
}
