//! Natural logarithm of `x` and of `1 + x`.
//!
//! `x = 2^e · m` with `m` in [2/3, 4/3), then a degree-9 minimax polynomial of `ln(1 + f)`, `f = m - 1`
//! (N. Juffa's `logf` and `log1pf` on fused multiply-add, <https://stackoverflow.com/questions/39821367>; max 0.9 ULP).

use std::f32::consts::LN_2;

/// Bits of 2/3: subtracting them makes the exponent field that of the nearest power of two in the sense of [2/3, 4/3).
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// `e·ln 2 + ln(1 + f)` for `f` in [-1/3, 1/3].
#[inline(always)]
fn combine(e: f32, f: f32) -> f32 {
    e.mul_add(LN_2, near_one(f))
}

/// `ln(1 + f)` for `f` in [-1/3, 1/3].
#[inline(always)]
fn near_one(f: f32) -> f32 {
    let s = f * f;
    let r = (-0.130_310_06_f32).mul_add(s, -0.121_483_51);
    let t = 0.140_869_14_f32.mul_add(s, 0.139_814_85);
    let r = r.mul_add(s, -0.166_846_13);
    let t = t.mul_add(s, 0.200_120_35);
    let r = r.mul_add(s, -0.249_996_2);
    let r = t.mul_add(f, r);
    let r = r.mul_add(f, 0.333_331_97);
    let r = r.mul_add(f, -0.5);
    r.mul_add(s, f)
}

/// The exponent part of `x` (positive, normal) as bits that can be subtracted from those of a float.
#[inline(always)]
fn exponent_bits(x: f32) -> u32 {
    x.to_bits().wrapping_sub(TWO_THIRDS) & 0xff80_0000
}

/// `e` of [`exponent_bits`].
#[inline(always)]
fn exponent(bits: u32) -> f32 {
    (bits as i32) as f32 * (1.0 / 8_388_608.0)
}

/// ln x: -∞ at ±0, NaN below 0, +∞ at +∞; subnormals exact. At most 1 ULP.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = exponent_bits(scaled);
    let e = exponent(bits) - if tiny { 23.0 } else { 0.0 };
    let y = combine(e, f32::from_bits(scaled.to_bits().wrapping_sub(bits)) - 1.0);
    special(y, x, x)
}

/// ln(1 + x): -∞ at -1, NaN below, relative accuracy kept near 0. At most 1.1 ULP.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let bits = exponent_bits(u);
    // f = (1 + x)·2^-e - 1 with one rounding of x's part; exactly x where e = 0
    let s = f32::from_bits(1.0_f32.to_bits().wrapping_sub(bits));
    let f = x.mul_add(s, s - 1.0);
    // what its rounding lost, which counts as lost / (1 + f)
    let lost = x.mul_add(s, (s - 1.0) - f);
    let large = u > 1e8; // 1 + x is x, s may underflow
    let f = if large {
        f32::from_bits(u.to_bits().wrapping_sub(bits)) - 1.0
    } else {
        f
    };
    let lost = if large { 0.0 } else { lost };
    let lost = lost * f.mul_add(f - 1.0, 1.0);
    let y = exponent(bits).mul_add(LN_2, near_one(f) + lost);
    let y = if x.abs() < 1e-8 { x } else { y };
    special(y, u, x)
}

/// The values at the ends of the domain of `ln(u)`; `x` carries NaN.
#[inline(always)]
fn special(y: f32, u: f32, x: f32) -> f32 {
    let y = if u == f32::INFINITY { f32::INFINITY } else { y };
    let y = if u == 0.0 { f32::NEG_INFINITY } else { y };
    if u >= 0.0 { y } else { f32::NAN + x }
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn ln_is_within_one_ulp() {
        check("ln", ln, libm::log, 1e-45, f32::MAX, 1.0);
        check("ln", ln, libm::log, 0.25, 4.0, 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(
            (ln(0.0), ln(-0.0), ln(f32::INFINITY)),
            (f32::NEG_INFINITY, f32::NEG_INFINITY, f32::INFINITY)
        );
        assert!(
            ln(-1.0).is_nan()
                && ln(f32::NAN).is_nan()
                && ln(f32::NEG_INFINITY).is_nan()
                && ln(-1e-45).is_nan()
        );
    }

    /// museum 55: ln(1 + x) keeps its digits near 0
    #[test]
    fn museum_55_ln_1p_near_zero() {
        check("ln_1p", ln_1p, libm::log1p, -0.999_999_9, f32::MAX, 1.5);
        check("ln_1p", ln_1p, libm::log1p, -0.999_999_9, 3.0, 1.5);
        assert_eq!(ln_1p(1e-20), 1e-20);
        assert_eq!(ln_1p(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(
            (ln_1p(-1.0), ln_1p(f32::INFINITY)),
            (f32::NEG_INFINITY, f32::INFINITY)
        );
        assert!(ln_1p(-1.1).is_nan() && ln_1p(f32::NAN).is_nan());
    }
}
