//! The logistic function and what is gated by it or by the normal distribution: sigmoid, silu, gelu.
//!
//! Computed in f64 lanes: in f32 the rounding of an exponential's argument costs as many last places as the argument is large. The gradients,
//! and products in bf16, can do without these places: [`logistic`] and [`normal_distribution`] take f32 lanes.

use super::{exp_nonpositive, wide};

/// `1 / (1 + e^-x)`: both tails keep their relative accuracy down to subnormals. At most 0.51 ULP.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let x = wide::within(f64::from(x), 200.0);
    (1.0 / (1.0 + wide::exp(-x))) as f32
}

/// `x / (1 + e^-x)`: NaN at -∞, as the product with 0 is. At most 0.51 ULP.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    let x = f64::from(x);
    gated(x, x)
}

/// `x / (1 + e^-z)`, for a `z` of the sign of `x`.
#[inline(always)]
fn gated(x: f64, z: f64) -> f32 {
    let open = 1.0 / (1.0 + wide::exp(-wide::within(z, 200.0)));
    let open = if z < -200.0 { 0.0 } else { open };
    (x * open) as f32
}

/// `x · Φ(x)` with the normal distribution function: NaN at -∞. At most 0.52 ULP.
///
/// `Φ(-a) = e^(-a²/2) · R(a)`; `(a + 3) · R(a)` is a polynomial of degree 10 in `(a - 3) / (a + 3)` for `a` up to 15
/// (interpolated at Chebyshev's nodes in 40 digits; relative error 1.2e-9), beyond which it is 0.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    let a = wide::within(x.abs(), 15.0);
    let inverse = 1.0 / (a + 3.0);
    let t = (a - 3.0) * inverse;
    let p = 5.549_187_171_679_469e-5_f64
        .mul_add(t, 1.333_239_542_036_36e-4)
        .mul_add(t, -2.447_093_207_917_76e-4);
    let p = p
        .mul_add(t, -1.034_476_550_886_183_5e-3)
        .mul_add(t, 1.024_157_324_378_549_7e-3);
    let p = p
        .mul_add(t, 6.969_920_150_912_792e-3)
        .mul_add(t, -1.046_228_896_653_126e-2);
    let p = p
        .mul_add(t, -4.726_276_192_117_602e-2)
        .mul_add(t, 2.300_176_766_741_665_2e-1);
    let p = p
        .mul_add(t, -5.093_319_888_345_391e-1)
        .mul_add(t, 7.290_836_907_139_794e-1);
    let tail = p * inverse * wide::exp(-0.5 * a * a);
    let tail = if a >= 15.0 { 0.0 } else { tail };
    let open = if x < 0.0 { tail } else { 1.0 - tail };
    (x * open) as f32
}

/// `(Φ(x), φ(x))`: the normal distribution function and its density, in f32 lanes. At most 6 ULP, also in the left tail; 0 where the density
/// would be subnormal.
///
/// As [`gelu`], with a polynomial of degree 8 (relative error 5e-8, by Lawson's iteration).
#[inline(always)]
pub fn normal_distribution(x: f32) -> (f32, f32) {
    /// 1/√(2π)
    const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;
    /// e^(-a²/2) is 0 there.
    const FAR: f32 = 14.0;
    let a = x.abs();
    let a = if a > FAR { FAR } else { a };
    let inverse = 1.0 / (a + 3.0);
    let t = (a - 3.0) * inverse;
    let p = (-2.667_659_7e-4_f32)
        .mul_add(t, -9.032_520_5e-4)
        .mul_add(t, 1.076_036_6e-3);
    let p = p.mul_add(t, 6.923_922e-3).mul_add(t, -1.047_993_5e-2);
    let p = p.mul_add(t, -4.725_61e-2).mul_add(t, 2.300_193_5e-1);
    let p = p.mul_add(t, -5.093_323e-1).mul_add(t, 7.290_836_6e-1);
    let half = -0.5 * a;
    let square = a * half;
    // e^(-a²/2) with what the square lost: the larger it is, the more last places that is.
    let power = exp_nonpositive(square);
    let power = power.mul_add(a.mul_add(half, -square), power);
    let tail = p * inverse * power;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, FRAC_1_SQRT_TAU * power)
}

/// `(1 / (1 + e^-x), 1 / (1 + e^x))` in f32 lanes: at most 3 ULP, the smaller one 0 below e^-87.
#[inline(always)]
pub fn logistic(x: f32) -> (f32, f32) {
    let power = exp_nonpositive(-x.abs());
    let larger = 1.0 / (1.0 + power);
    let smaller = power * larger;
    if x < 0.0 {
        (smaller, larger)
    } else {
        (larger, smaller)
    }
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`: NaN at -∞. At most 0.51 ULP.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    /// 2·√(2/π)
    const SCALE: f64 = 1.595_769_121_605_730_7;
    let x = f64::from(x);
    gated(x, SCALE * x * (0.044_715 * x).mul_add(x, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn gates_keep_both_tails() {
        let logistic = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        check("sigmoid", sigmoid, logistic, -110.0, 110.0, 0.51);
        check("silu", silu, |x| x * logistic(x), -120.0, f32::MAX, 0.51);
        let exact = |x: f64| 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        check("gelu", gelu, exact, -16.0, f32::MAX, 0.52);
        check("gelu", gelu, exact, -6.0, 6.0, 0.52);
        let scale = (8.0 / std::f64::consts::PI).sqrt();
        let approximate = |x: f64| x * logistic(scale * (x + 0.044715 * x * x * x));
        check("gelu_tanh", gelu_tanh, approximate, -12.0, 1e12, 0.51);
        check("gelu_tanh", gelu_tanh, approximate, -6.0, 6.0, 0.51);
    }

    #[test]
    fn f32_lanes_keep_both_tails() {
        let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        let density = |x: f64| libm::exp(-0.5 * x * x) / std::f64::consts::TAU.sqrt();
        check(
            "normal",
            |x| normal_distribution(x).0,
            below,
            -12.9,
            f32::MAX,
            6.0,
        );
        check(
            "normal",
            |x| normal_distribution(x).0,
            below,
            -3.0,
            3.0,
            6.0,
        );
        check(
            "density",
            |x| normal_distribution(x).1,
            density,
            -13.1,
            13.1,
            4.0,
        );
        let open = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        let closed = |x: f64| 1.0 / (1.0 + libm::exp(x));
        check("logistic", |x| logistic(x).0, open, -87.0, f32::MAX, 3.0);
        check("logistic", |x| logistic(x).0, open, -3.0, 3.0, 3.0);
        check("logistic", |x| logistic(x).1, closed, -1e30, 87.0, 3.0);
        let (inf, low) = (f32::INFINITY, f32::NEG_INFINITY);
        assert_eq!(
            [inf, low, -1e30].map(normal_distribution),
            [(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]
        );
        assert_eq!(
            [inf, low, 0.0].map(logistic),
            [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]
        );
        for (a, b) in [normal_distribution(f32::NAN), logistic(f32::NAN)] {
            assert!(a.is_nan() && b.is_nan());
        }
    }

    #[test]
    fn special_values() {
        let (inf, low) = (f32::INFINITY, f32::NEG_INFINITY);
        assert_eq!((sigmoid(inf), sigmoid(low), sigmoid(0.0)), (1.0, 0.0, 0.5));
        for f in [silu, gelu, gelu_tanh] {
            assert_eq!((f(inf), f(f32::MAX), f(0.0)), (inf, f32::MAX, 0.0));
            assert_eq!(f(-0.0).to_bits(), (-0.0_f32).to_bits());
            assert_eq!(f(-1e30).to_bits(), (-0.0_f32).to_bits());
            assert!(f(low).is_nan() && f(f32::NAN).is_nan());
        }
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
