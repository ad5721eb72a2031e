//! Hyperbolic tangent and the logistic function.
//!
//! `tanh`: odd polynomial of Cephes (Moshier 1992, `tanhf.c`) below 0.625, `1 - 2 / (e^{2|x|} + 1)` above.

use super::exp;

/// tanh x: odd, ±1 at ±∞, NaN for NaN. At most 1.5 ULP.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = (-5.704_988_7e-3_f32).mul_add(z, 2.063_909e-2);
    let p = p.mul_add(z, -5.373_971_6e-2);
    let p = p.mul_add(z, 1.333_144_2e-1);
    let p = p.mul_add(z, -3.333_328e-1);
    let small = (p * z).mul_add(x, x).copysign(x);
    let a = x.abs();
    let large = (1.0 - 2.0 / (exp(a + a) + 1.0)).copysign(x);
    if a < 0.625 { small } else { large }
}

/// `1 / (1 + e^-x)`: both tails keep their relative accuracy down to subnormals. At most 2.5 ULP
/// (where the rounding of `e^-|x|` is carried into a lower binade by the division; 1.5 for positive `x`).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let z = exp(-x.abs());
    let top = if x < 0.0 { z } else { 1.0 };
    top / (1.0 + z)
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn tanh_is_within_one_and_a_half_ulp() {
        check("tanh", tanh, libm::tanh, -20.0, 20.0, 1.5);
        check("tanh", tanh, libm::tanh, -1.0, 1.0, 1.5);
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(tanh(1e-45), 1e-45);
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_keeps_both_tails() {
        let reference = |x: f64| {
            if x < 0.0 {
                libm::exp(x) / (1.0 + libm::exp(x))
            } else {
                1.0 / (1.0 + libm::exp(-x))
            }
        };
        check("sigmoid", sigmoid, reference, -104.0, 104.0, 2.5);
        check("sigmoid", sigmoid, reference, 0.0, 30.0, 1.5);
        assert_eq!(
            (
                sigmoid(f32::INFINITY),
                sigmoid(f32::NEG_INFINITY),
                sigmoid(0.0)
            ),
            (1.0, 0.0, 0.5)
        );
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
