//! The exponential in f64 lanes, for f32 functions whose last digit a computation in f32 would lose.
//!
//! A step through f64 costs half the lanes, but needs no second word for what was rounded off: the result is the true one rounded
//! once, but for rare ties.

/// `e^x` for |x| <= 700, to a relative 3e-10; NaN for NaN.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    // Taylor: the rest is below 0.3466^9 / 9! = 2e-10
    let p = (1.0 / 40_320.0_f64)
        .mul_add(r, 1.0 / 5040.0)
        .mul_add(r, 1.0 / 720.0);
    let p = p
        .mul_add(r, 1.0 / 120.0)
        .mul_add(r, 1.0 / 24.0)
        .mul_add(r, 1.0 / 6.0);
    let p = p.mul_add(r, 0.5).mul_add(r, 1.0).mul_add(r, 1.0);
    let n = shifted.to_bits().wrapping_sub(ROUNDER.to_bits());
    p * f64::from_bits(n.wrapping_add(1023) << 52)
}

/// Bounds `x` to ±`limit`; NaN passes.
#[inline(always)]
pub(super) fn within(x: f64, limit: f64) -> f64 {
    let x = if x < -limit { -limit } else { x };
    if x > limit { limit } else { x }
}
