//! Elementary functions of f32 as branch-free polynomials, at most 1.5 ULP from the true value, that vectorise.
//!
//! Each is `#[inline(always)]`, has no table and no branch (selects only), and handles subnormals, infinities and NaN.
//! Inside [`crate::simd::dispatch`] a loop over one of them runs 4 to 16 elements at a time.

mod erf;
mod erfinv;
mod exp;
mod gates;
mod log;
mod pow;
mod tanh;
mod trig;
mod turn;
mod wide;

pub use erf::erf;
pub use erfinv::erfinv;
pub use exp::{exp, exp_m1, exp_nonpositive};
pub use gates::{gelu, gelu_tanh, logistic, normal_distribution, sigmoid, silu};
pub use log::{ln, ln_1p};
pub use pow::powf;
pub use tanh::tanh;
pub use trig::{REACH, cos, cos_within, sin, sin_within};
pub(crate) use turn::cos_sin_turn;

#[cfg(test)]
mod ulp {
    //! Distance of an f32 function from an f64 reference, over a dense sample of the line.

    /// Largest error in units of the last place of the rounded true value, over `n` values between `lo` and `hi` that are
    /// evenly spaced in value and, where the range spans magnitudes, `n` more evenly spaced in bits.
    pub(super) fn check(
        name: &str,
        f: impl Fn(f32) -> f32,
        reference: impl Fn(f64) -> f64,
        lo: f32,
        hi: f32,
        limit: f64,
    ) {
        let n = 500_000_u32;
        let mut worst = (0.0_f64, 0.0_f32);
        let step = (f64::from(hi) - f64::from(lo)) / f64::from(n);
        let linear = (0..=n).map(|i| (f64::from(lo) + step * f64::from(i)) as f32);
        let bits =
            (0..=n).map(|i| f32::from_bits((u64::from(i) * 0x7f7f_ffff / u64::from(n)) as u32));
        let inside = bits.flat_map(|x| [x, -x]).filter(|x| (lo..=hi).contains(x));
        for x in linear.chain(inside) {
            let (got, want) = (f(x), reference(f64::from(x)));
            let error = error_in_ulp(got, want);
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
        }
        assert!(
            worst.0 <= limit,
            "{name}: {:.3} ulp at {:e} (limit {limit}): got {:e}, want {:e}",
            worst.0,
            worst.1,
            f(worst.1),
            reference(f64::from(worst.1))
        );
    }

    fn error_in_ulp(got: f32, want: f64) -> f64 {
        let rounded = want as f32;
        if rounded.is_nan() || rounded.is_infinite() {
            let same = got.is_nan() == rounded.is_nan() && (rounded.is_nan() || got == rounded);
            // one step below infinity is still within an ulp of the overflow threshold
            return if same || got.abs() == f32::MAX {
                0.0
            } else {
                f64::INFINITY
            };
        }
        if got.is_infinite() && rounded.abs() == f32::MAX {
            return 1.0;
        }
        let exponent = rounded.abs().max(f32::MIN_POSITIVE).to_bits() >> 23;
        let ulp = 2.0_f64.powi(exponent as i32 - 150);
        (f64::from(got) - want).abs() / ulp
    }
}
