//! Error function.
//!
//! Two minimax polynomials on fused multiply-add by N. Juffa (<https://stackoverflow.com/questions/35148198>): odd in `x`
//! below 475/512, `1 - e^{p(|x|)}` above.

use super::exp;

/// erf x: odd, ±1 at ±∞, NaN for NaN. At most 1.5 ULP.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let t = x.abs();
    let s = x * x;
    let r = (-1.728_534_7e-5_f32).mul_add(t, 3.831_971_3e-4);
    let u = (-3.883_964_4e-3_f32).mul_add(t, 2.425_462_2e-2);
    let r = r.mul_add(s, u);
    let r = r.mul_add(t, -1.067_778_8e-1);
    let r = r.mul_add(t, -6.348_467e-1);
    let r = r.mul_add(t, -1.287_175_1e-1);
    let large = (1.0 - exp(r.mul_add(t, -t))).copysign(x);
    let q = (-5.967_617e-4_f32).mul_add(s, 4.991_194_2e-3);
    let q = q.mul_add(s, -2.676_813_5e-2);
    let q = q.mul_add(s, 1.128_199_25e-1);
    let q = q.mul_add(s, -3.761_253_4e-1);
    let q = q.mul_add(s, 1.283_791_7e-1);
    let small = q.mul_add(x, x);
    if t > 0.927_734_4 { large } else { small }
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn erf_is_within_one_and_a_half_ulp() {
        check("erf", erf, libm::erf, -6.0, 6.0, 1.5);
        check("erf", erf, libm::erf, -1.0, 1.0, 1.5);
        assert_eq!(
            (erf(f32::INFINITY), erf(f32::NEG_INFINITY), erf(1e30)),
            (1.0, -1.0, 1.0)
        );
        assert_eq!(erf(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert!(erf(f32::NAN).is_nan());
    }
}
