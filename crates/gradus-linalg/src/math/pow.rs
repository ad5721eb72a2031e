//! Power function of f32, computed in f64 lanes.
//!
//! `|x|^y = 2^(y·log2|x|)`: the logarithm by the series of `atanh`, the power of two by Taylor's, both to about 1e-12,
//! so the result is the correctly rounded one but for rare ties (at most 0.51 ULP).

/// log2 of a positive finite `x`.
#[inline(always)]
fn log2(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF) & 0xfff0_0000_0000_0000;
    let m = f64::from_bits(x.to_bits().wrapping_sub(bits));
    // the exponent as f64 without a 64-bit integer conversion (not in AVX2)
    let e = f64::from((bits >> 32) as i32 >> 20);
    let t = (m - 1.0) / (m + 1.0);
    let z = t * t;
    let p = (1.0 / 13.0_f64)
        .mul_add(z, 1.0 / 11.0)
        .mul_add(z, 1.0 / 9.0);
    let p = p
        .mul_add(z, 1.0 / 7.0)
        .mul_add(z, 1.0 / 5.0)
        .mul_add(z, 1.0 / 3.0);
    let ln_m = 2.0 * (p * z).mul_add(t, t);
    ln_m.mul_add(std::f64::consts::LOG2_E, e)
}

/// 2^z for |z| <= 1000.
#[inline(always)]
fn exp2(z: f64) -> f64 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let shifted = z + ROUNDER;
    let r = (z - (shifted - ROUNDER)) * std::f64::consts::LN_2;
    let p = (1.0 / 3_628_800.0_f64)
        .mul_add(r, 1.0 / 362_880.0)
        .mul_add(r, 1.0 / 40_320.0);
    let p = p
        .mul_add(r, 1.0 / 5040.0)
        .mul_add(r, 1.0 / 720.0)
        .mul_add(r, 1.0 / 120.0);
    let p = p
        .mul_add(r, 1.0 / 24.0)
        .mul_add(r, 1.0 / 6.0)
        .mul_add(r, 0.5);
    let p = p.mul_add(r, 1.0).mul_add(r, 1.0);
    let n = shifted.to_bits().wrapping_sub(ROUNDER.to_bits());
    p * f64::from_bits(n.wrapping_add(1023) << 52)
}

/// x^y with the special cases of IEEE 754-2019 (`pow`): `x^0 = 1^y = 1` also for NaN, sign of a negative base by the
/// parity of an integer `y`, NaN for other `y`.
#[inline(always)]
pub fn powf(x: f32, y: f32) -> f32 {
    let a = x.abs();
    let normal = if a > 0.0 && a < f32::INFINITY {
        f64::from(a)
    } else {
        1.0
    };
    let log = log2(normal);
    let log = if a == 0.0 { -1e300 } else { log };
    let log = if a == f32::INFINITY { 1e300 } else { log };
    let z = log * f64::from(y);
    let z = if z > 400.0 { 400.0 } else { z };
    let z = if z < -400.0 { -400.0 } else { z };
    let magnitude = exp2(z) as f32;
    let integer = y.trunc() == y;
    let half = y * 0.5;
    let odd = integer && half.trunc() != half;
    let negative = x.is_sign_negative();
    let result = if negative && odd {
        -magnitude
    } else {
        magnitude
    };
    let result = if x < 0.0 && !integer && a < f32::INFINITY {
        f32::NAN
    } else {
        result
    };
    let result = if x.is_nan() || y.is_nan() {
        f32::NAN
    } else {
        result
    };
    let one = y == 0.0 || x == 1.0 || (a == 1.0 && y.abs() == f32::INFINITY);
    if one { 1.0 } else { result }
}

#[cfg(test)]
mod tests {
    use super::super::ulp::check;
    use super::*;

    #[test]
    fn powf_is_correctly_rounded_but_for_ties() {
        for y in [
            0.5_f32, -0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -2.5, 0.1, 7.3, 20.0, -0.001,
        ] {
            check(
                "powf",
                |x| powf(x, y),
                |x| libm::pow(x, f64::from(y)),
                1e-45,
                f32::MAX,
                0.51,
            );
            check(
                "powf",
                |x| powf(x, y),
                |x| libm::pow(x, f64::from(y)),
                0.5,
                3.0,
                0.51,
            );
        }
        check(
            "powf",
            |y| powf(0.9, y),
            |y| libm::pow(f64::from(0.9_f32), y),
            -1000.0,
            1000.0,
            0.51,
        );
        check(
            "powf",
            |y| powf(10.0, y),
            |y| libm::pow(10.0, y),
            -46.0,
            39.0,
            0.51,
        );
    }

    #[test]
    fn special_cases_are_those_of_ieee() {
        let inf = f32::INFINITY;
        let values = [
            0.0,
            -0.0,
            0.5,
            -0.5,
            1.0,
            -1.0,
            2.0,
            -2.0,
            3.0,
            -3.0,
            1.5,
            -1.5,
            inf,
            -inf,
            f32::NAN,
            1e30,
            1e-40,
            16_777_217.0,
        ];
        for x in values {
            for y in values {
                let (got, want) = (powf(x, y), libm::pow(f64::from(x), f64::from(y)) as f32);
                assert!(
                    got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                    "{x}^{y}: {got}, not {want}"
                );
            }
        }
    }
}
