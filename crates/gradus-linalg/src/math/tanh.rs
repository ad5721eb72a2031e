//! Hyperbolic tangent.
//!
//! Odd polynomial of Cephes (Moshier 1992, `tanhf.c`) below 0.625, `1 - 2 / (e^{2|x|} + 1)` above.

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
}
