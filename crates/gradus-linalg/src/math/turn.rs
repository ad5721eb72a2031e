//! Cosine and sine of a fraction of a turn, for the normal distribution.

/// `(cos 2πt, sin 2πt)` for `t` in -1/2..=1/2; absolute error below 2e-7.
///
/// The quarter turn is taken off exactly; polynomials of Cephes (`sinf.c`, Moshier 1992) on ±π/4.
#[inline(always)]
pub(crate) fn cos_sin_turn(t: f32) -> (f32, f32) {
    const ROUNDER: f32 = 12_582_912.0;
    let shifted = t.mul_add(4.0, ROUNDER);
    let quarter = shifted.to_bits();
    let x = t.mul_add(4.0, -(shifted - ROUNDER)) * std::f32::consts::FRAC_PI_2;
    let z = x * x;
    let s = (-1.951_529_6e-4_f32)
        .mul_add(z, 8.332_161e-3)
        .mul_add(z, -1.666_665_5e-1);
    let s = (s * z).mul_add(x, x);
    let c = 2.443_315_7e-5_f32
        .mul_add(z, -1.388_731_6e-3)
        .mul_add(z, 4.166_664_6e-2);
    let c = (c * z).mul_add(z, 1.0 - 0.5 * z);
    let (cos, sin) = if quarter & 1 == 0 { (c, s) } else { (s, c) };
    // quarters 0..=3 of cos: + - - +, of sin: + + - -
    let cos_sign = (quarter.wrapping_add(1) & 2) << 30;
    let sin_sign = (quarter & 2) << 30;
    (
        f32::from_bits(cos.to_bits() ^ cos_sign),
        f32::from_bits(sin.to_bits() ^ sin_sign),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_f64_over_the_turn() {
        for i in -50_000..=50_000 {
            let t = i as f32 / 100_000.0;
            let angle = f64::from(t) * std::f64::consts::TAU;
            let (c, s) = cos_sin_turn(t);
            assert!((f64::from(c) - angle.cos()).abs() < 2e-7, "cos {t}: {c}");
            assert!((f64::from(s) - angle.sin()).abs() < 2e-7, "sin {t}: {s}");
        }
    }
}
