//! Exponential function and its difference from 1.
//!
//! Range reduction `x = n·ln 2 + r`, `|r| <= ln 2 / 2`, with `ln 2` in two parts; `e^r` by the degree-7 polynomial of
//! SLEEF (Shibata and Petrogalli 2019, *SLEEF: A Portable Vectorized Library of C Standard Mathematical Functions*,
//! arXiv:2001.09258, `expf` with 1.0 ULP).

const LN_2_HIGH: f32 = 0.693_145_75;
const LN_2_LOW: f32 = 1.428_606_8e-6;
/// Adding this rounds to an integer, which then stands in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// `2^n` for `-126 <= n <= 127`; anything else is garbage that the caller must not reach with a number.
#[inline(always)]
pub(super) fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `(n, r, (e^r - 1 - r) / r²)` of the clamped `x`.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32, f32) {
    let (shifted, r, q) = reduce_by(x, ROUNDER);
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    (n, r, q)
}

/// `(rounder + n, r, (e^r - 1 - r) / r²)`
#[inline(always)]
fn reduce_by(x: f32, rounder: f32) -> (f32, f32, f32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, rounder);
    let nf = shifted - rounder;
    let r = nf.mul_add(-LN_2_LOW, nf.mul_add(-LN_2_HIGH, x));
    let q = 0.000_198_527_62_f32.mul_add(r, 0.001_393_043_6);
    let q = q.mul_add(r, 0.008_333_361);
    let q = q.mul_add(r, 0.041_666_485);
    let q = q.mul_add(r, 0.166_666_67);
    (shifted, r, q.mul_add(r, 0.5))
}

/// Bounds `x` so that `n` stays in reach of two powers of two; NaN passes.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// e^x: 0 below -104, +∞ above 88.73, gradual underflow between, NaN for NaN. At most 1 ULP.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (n, r, q) = reduce(clamp(x, -105.0, 89.5));
    let p = (r * r).mul_add(q, r) + 1.0;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n - half)
}

/// e^x for `x <= 1`, which saves a third of the work; 0 below -87.7, where e^x would be subnormal; NaN for NaN. At most 1 ULP.
#[inline(always)]
pub fn exp_nonpositive(x: f32) -> f32 {
    /// Here and below `n` is -127 and the power that [`BIASED`] makes of it 0.
    const LOWEST: f32 = -88.0;
    /// Leaves `n + 127` in the low bits of the sum: the exponent field of a power of two.
    const BIASED: f32 = ROUNDER + 127.0;
    let (shifted, r, q) = reduce_by(if x < LOWEST { LOWEST } else { x }, BIASED);
    let p = (r * r).mul_add(q, r) + 1.0;
    p * f32::from_bits(shifted.to_bits() << 23)
}

/// e^x - 1, relative accuracy kept near 0 (museum 55); -1 at -∞. At most 1.5 ULP.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let (n, r, q) = reduce(clamp(x, -30.0, 88.8));
    // e^x - 1 = 2·(s·r + (s - 1/2) + s·r²·q) with s = 2^(n-1), so that s stays finite up to overflow
    let s = power_of_two(n - 1);
    let y = (s * r * r).mul_add(q, s.mul_add(r, s - 0.5)) * 2.0;
    if x.abs() < 2.0e-8 { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn exp_is_within_one_ulp() {
        check("exp", exp, libm::exp, -106.0, 90.0, 1.0);
        check("exp", exp, libm::exp, -1.0, 1.0, 1.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(
            (
                exp(f32::INFINITY),
                exp(f32::NEG_INFINITY),
                exp(1e30),
                exp(-1e30)
            ),
            (f32::INFINITY, 0.0, f32::INFINITY, 0.0)
        );
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(-103.0), libm::exp(-103.0) as f32); // subnormal
    }

    #[test]
    fn exp_nonpositive_is_within_one_ulp_and_ends_at_0() {
        check(
            "exp_nonpositive",
            exp_nonpositive,
            libm::exp,
            -87.6,
            1.0,
            1.0,
        );
        check(
            "exp_nonpositive",
            exp_nonpositive,
            libm::exp,
            -1.0,
            0.0,
            1.0,
        );
        let ends = [0.0, -0.0, -87.7, -1e30, f32::NEG_INFINITY].map(exp_nonpositive);
        assert_eq!(ends, [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(exp_nonpositive(f32::NAN).is_nan());
    }

    /// museum 55: e^x - 1 keeps its digits near 0
    #[test]
    fn museum_55_exp_m1_near_zero() {
        check("exp_m1", exp_m1, libm::expm1, -90.0, 90.0, 1.5);
        check("exp_m1", exp_m1, libm::expm1, -1.5, 1.5, 1.5);
        assert_eq!(exp_m1(1e-10), 1e-10);
        assert_eq!(exp_m1(1e-45), 1e-45);
        assert_eq!(exp_m1(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(
            (exp_m1(f32::INFINITY), exp_m1(f32::NEG_INFINITY)),
            (f32::INFINITY, -1.0)
        );
        assert!(exp_m1(f32::NAN).is_nan());
    }
}
