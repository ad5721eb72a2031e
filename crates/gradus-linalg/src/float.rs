//! The two compute dtypes: constants, arithmetic and elementary functions of f32 and f64, for generic kernels.
//!
//! For `f32` these are branch-free polynomials of [`crate::math`], at most 1.5 ULP from the true value, which vectorise inside
//! [`crate::simd::dispatch`]. For `f64` they are those of the `libm` crate: pure Rust, so all machines give equal bits. `sqrt` is
//! correctly rounded.
//!
//! In generic code `x.exp()` is this trait's; on a concrete `f32` Rust picks the standard library's: write
//! [`crate::math::exp`] there.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use gradus_tensor::Element;

use crate::math;

/// `f32` or `f64`.
pub trait Float:
    Element
    + PartialOrd
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// 2
    const TWO: Self;
    /// 1/2
    const HALF: Self;
    /// +∞
    const INFINITY: Self;
    /// -∞
    const NEG_INFINITY: Self;
    /// A quiet NaN.
    const NAN: Self;
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// Largest finite number.
    const MAX: Self;
    /// Smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// The largest argument of [`Float::sin_within`] and [`Float::cos_within`].
    const TURN_REACH: Self;

    /// Nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// `self · a + b` with one rounding, on every machine.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Absolute value; clears the sign of NaN too.
    fn abs(self) -> Self;
    /// This magnitude with the sign bit of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// Correctly rounded square root.
    fn sqrt(self) -> Self;
    /// e^x
    fn exp(self) -> Self;
    /// e^x for `x` up to about 0, as softmax has it; 0 where e^x would be subnormal.
    fn exp_nonpositive(self) -> Self;
    /// `(Φ(x), φ(x))`: the normal distribution function and its density; in f32 at most 6 ULP.
    fn normal_distribution(self) -> (Self, Self);
    /// `(1 / (1 + e^-x), 1 / (1 + e^x))`; in f32 at most 3 ULP.
    fn logistic(self) -> (Self, Self);
    /// e^x - 1 without loss near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm: -∞ at 0, NaN below.
    fn ln(self) -> Self;
    /// ln(1 + x) without loss near 0.
    fn ln_1p(self) -> Self;
    /// x^y with the special cases of IEEE 754 (`x^0 = 1` also for NaN).
    fn powf(self, y: Self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// `1 / (1 + e^-x)`, accurate in both tails.
    fn sigmoid(self) -> Self;
    /// Error function.
    fn erf(self) -> Self;
    /// `x · sigmoid(x)`, accurate in both tails.
    fn silu(self) -> Self;
    /// `x · Φ(x)` with the normal distribution function, accurate in both tails.
    fn gelu(self) -> Self;
    /// [`Float::gelu`] approximated by a hyperbolic tangent, accurate in both tails.
    fn gelu_tanh(self) -> Self;
    /// Sine of radians, with exact range reduction at any size.
    fn sin(self) -> Self;
    /// Cosine of radians, with exact range reduction at any size.
    fn cos(self) -> Self;
    /// Largest integer not above.
    fn floor(self) -> Self;
    /// [`Float::sin`] up to [`Float::TURN_REACH`]; in f32 without a branch.
    fn sin_within(self) -> Self;
    /// [`Float::cos`] up to [`Float::TURN_REACH`]; in f32 without a branch.
    fn cos_within(self) -> Self;

    /// `1 / x`
    #[inline(always)]
    fn recip(self) -> Self {
        Self::ONE / self
    }
    /// The larger; NaN if either is NaN; the first of two equal ones.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        if (other > self) | other.is_nan() {
            other
        } else {
            self
        }
    }
    /// The smaller; NaN if either is NaN; the first of two equal ones.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        if (other < self) | other.is_nan() {
            other
        } else {
            self
        }
    }
    /// Not equal to itself.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }
    /// Neither infinite nor NaN.
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.abs() <= Self::MAX
    }
    /// -1, 0 or 1; NaN stays (as `torch.sign`, but for NaN, which is 0 there).
    #[inline(always)]
    fn sign(self) -> Self {
        let s = if self > Self::ZERO { Self::ONE } else { self };
        if self < Self::ZERO { -Self::ONE } else { s }
    }
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
    const NAN: Self = Self::NAN;
    const EPSILON: Self = Self::EPSILON;
    const MAX: Self = Self::MAX;
    const MIN_POSITIVE: Self = Self::MIN_POSITIVE;
    const TURN_REACH: Self = math::REACH;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as Self
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exp(self) -> Self {
        math::exp(self)
    }
    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        math::exp_nonpositive(self)
    }
    #[inline(always)]
    fn normal_distribution(self) -> (Self, Self) {
        math::normal_distribution(self)
    }
    #[inline(always)]
    fn logistic(self) -> (Self, Self) {
        math::logistic(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        math::exp_m1(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        math::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        math::ln_1p(self)
    }
    #[inline(always)]
    fn powf(self, y: Self) -> Self {
        math::powf(self, y)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        math::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        math::sigmoid(self)
    }
    #[inline(always)]
    fn erf(self) -> Self {
        math::erf(self)
    }
    #[inline(always)]
    fn silu(self) -> Self {
        math::silu(self)
    }
    #[inline(always)]
    fn gelu(self) -> Self {
        math::gelu(self)
    }
    #[inline(always)]
    fn gelu_tanh(self) -> Self {
        math::gelu_tanh(self)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        math::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        math::cos(self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        self.floor()
    }
    #[inline(always)]
    fn sin_within(self) -> Self {
        math::sin_within(self)
    }
    #[inline(always)]
    fn cos_within(self) -> Self {
        math::cos_within(self)
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
    const NAN: Self = Self::NAN;
    const EPSILON: Self = Self::EPSILON;
    const MAX: Self = Self::MAX;
    const MIN_POSITIVE: Self = Self::MIN_POSITIVE;
    const TURN_REACH: Self = Self::INFINITY;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exp(self) -> Self {
        libm::exp(self)
    }
    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        libm::exp(self)
    }
    fn normal_distribution(self) -> (Self, Self) {
        let below = 0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2);
        let density = libm::exp(-0.5 * self * self) / std::f64::consts::TAU.sqrt();
        (below, density)
    }
    fn logistic(self) -> (Self, Self) {
        (
            1.0 / (1.0 + libm::exp(-self)),
            1.0 / (1.0 + libm::exp(self)),
        )
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        libm::expm1(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        libm::log1p(self)
    }
    #[inline(always)]
    fn powf(self, y: Self) -> Self {
        libm::pow(self, y)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let z = libm::exp(-self.abs());
        if self >= 0.0 {
            1.0 / (1.0 + z)
        } else {
            z / (1.0 + z)
        }
    }
    #[inline(always)]
    fn erf(self) -> Self {
        libm::erf(self)
    }
    #[inline(always)]
    fn silu(self) -> Self {
        self * Float::sigmoid(self)
    }
    #[inline(always)]
    fn gelu(self) -> Self {
        self * (0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2))
    }
    #[inline(always)]
    fn gelu_tanh(self) -> Self {
        /// 2·√(2/π)
        const SCALE: f64 = 1.595_769_121_605_730_7;
        let inner = SCALE * self * (1.0 + 0.044_715 * self * self);
        self * Float::sigmoid(inner)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        libm::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        libm::cos(self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        self.floor()
    }
    #[inline(always)]
    fn sin_within(self) -> Self {
        libm::sin(self)
    }
    #[inline(always)]
    fn cos_within(self) -> Self {
        libm::cos(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Float>() {
        let (one, two, nan) = (T::ONE, T::TWO, T::NAN);
        assert!(
            one.maximum(nan).is_nan() && nan.maximum(one).is_nan() && nan.minimum(one).is_nan()
        );
        assert_eq!(one.maximum(two), two);
        assert_eq!(one.minimum(two), one);
        assert_eq!(
            (two.sign(), (-two).sign(), T::ZERO.sign()),
            (one, -one, T::ZERO)
        );
        assert!(
            nan.sign().is_nan()
                && !T::INFINITY.is_finite()
                && !nan.is_finite()
                && T::MAX.is_finite()
        );
        assert_eq!(two.powf(T::from_f64(10.0)).to_f64(), 1024.0);
        let e = T::ONE.exp().to_f64();
        assert!((e - std::f64::consts::E).abs() < 3e-7, "{e}");
        assert!((T::from_f64(0.5).erf().to_f64() - 0.520_499_877_813_046_5).abs() < 1e-7);
        assert!(
            (T::from_f64(-9.0).gelu().to_f64() / -1.015_729_565_358_458e-18 - 1.0).abs() < 1e-6
        );
        assert!((T::from_f64(-2.0).silu().to_f64() / -0.238_405_844_044_234_55 - 1.0).abs() < 1e-6);
        assert_eq!(T::ZERO.sigmoid(), T::HALF);
    }

    #[test]
    fn functions_of_f32() {
        check::<f32>();
    }

    #[test]
    fn functions_of_f64() {
        check::<f64>();
        assert_eq!(Float::sigmoid(-700.0_f64), libm::exp(-700.0));
    }

    /// museum 55: the sine of a large number needs exact range reduction
    #[test]
    fn museum_55_sine_of_a_large_number() {
        let x = 1e34_f32;
        let expected = libm::sin(f64::from(x));
        assert!(
            (f64::from(Float::sin(x)) - expected).abs() < 1e-7,
            "{}",
            Float::sin(x)
        );
        assert!((Float::sin(1e34_f64) - (-0.5081924410595136)).abs() < 1e-12);
    }
}
