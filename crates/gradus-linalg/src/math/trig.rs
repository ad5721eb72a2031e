//! Sine and cosine of radians.
//!
//! The quarter turns are taken off in f64: `x - n·π/2` with `π/2` in two parts of 53 bits. An f32 is nowhere nearer than 2^-30 to
//! a multiple of `π/2`, so the remainder keeps all of f32's digits up to [`REACH`] (museum 55). Taylor polynomials on ±π/4 follow.

use std::f64::consts::FRAC_PI_2;

/// The largest argument that the fast functions take. Beyond it `libm` reduces by a table of `2/π`.
pub const REACH: f32 = 1.0e13;

/// What `π/2` has after its first 53 bits.
const FRAC_PI_2_LOW: f64 = 6.123_233_995_736_766e-17;

/// The sine of `x` and `turn` quarter turns, for |x| up to [`REACH`].
#[inline(always)]
fn sine(x: f32, turn: u64) -> f32 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    let shifted = x.mul_add(std::f64::consts::FRAC_2_PI, ROUNDER);
    let n = shifted - ROUNDER;
    // Exact: a multiple of 2^-52 (or of the last bit of x) below 1.
    let r = n.mul_add(-FRAC_PI_2, x);
    let r = n.mul_add(-FRAC_PI_2_LOW, r);
    let quarter = shifted.to_bits().wrapping_add(turn);
    let z = r * r;
    let s = (1.0 / 362_880.0_f64)
        .mul_add(z, -1.0 / 5040.0)
        .mul_add(z, 1.0 / 120.0);
    let s = s.mul_add(z, -1.0 / 6.0);
    let s = (s * z).mul_add(r, r);
    let c = (-1.0 / 3_628_800.0_f64)
        .mul_add(z, 1.0 / 40_320.0)
        .mul_add(z, -1.0 / 720.0);
    let c = c.mul_add(z, 1.0 / 24.0).mul_add(z, -0.5).mul_add(z, 1.0);
    let y = if quarter & 1 == 0 { s } else { c };
    f64::from_bits(y.to_bits() ^ ((quarter & 2) << 62)) as f32
}

/// sin x for |x| up to [`REACH`], without a branch; NaN for NaN. At most 0.53 ULP.
#[inline(always)]
pub fn sin_within(x: f32) -> f32 {
    let y = sine(x, 0);
    // The sign of a zero.
    if x == 0.0 { x } else { y }
}

/// cos x for |x| up to [`REACH`], without a branch; NaN for NaN. At most 0.53 ULP.
#[inline(always)]
pub fn cos_within(x: f32) -> f32 {
    sine(x, 1)
}

/// sin x at any size; NaN for infinities. At most 0.53 ULP.
#[inline(always)]
pub fn sin(x: f32) -> f32 {
    if x.abs() > REACH {
        libm::sin(f64::from(x)) as f32
    } else {
        sin_within(x)
    }
}

/// cos x at any size; NaN for infinities. At most 0.53 ULP.
#[inline(always)]
pub fn cos(x: f32) -> f32 {
    if x.abs() > REACH {
        libm::cos(f64::from(x)) as f32
    } else {
        cos_within(x)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn museum_55_sine_and_cosine_at_any_size() {
        for reach in [2.0, 1e3, 1e9, REACH, f32::MAX] {
            check("sin", sin, libm::sin, -reach, reach, 0.54);
            check("cos", cos, libm::cos, -reach, reach, 0.54);
        }
        assert!((sin(1e34) - libm::sin(f64::from(1e34_f32)) as f32).abs() < 1e-7);
        assert_eq!(sin(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!((sin(1e-40), cos(0.0)), (1e-40, 1.0));
        for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(sin(x).is_nan() && cos(x).is_nan());
        }
    }
}
