//! Registers of the two compute dtypes, for kernels that are written once for every instruction set through pulp.

use pulp::Simd;

use crate::float::Float;

/// A dtype whose registers pulp knows.
pub(crate) trait Lanes: Float {
    /// One register.
    type Register<S: Simd>: Copy;
    /// The value in all lanes.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Register<S>;
    /// `a · b + c` with one rounding.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Register<S>,
        b: Self::Register<S>,
        c: Self::Register<S>,
    ) -> Self::Register<S>;
    /// The sum of all lanes, by halves.
    fn sum<S: Simd>(simd: S, register: Self::Register<S>) -> Self;
}

impl Lanes for f32 {
    type Register<S: Simd> = S::f32s;
    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f32s {
        simd.splat_f32s(value)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.mul_add_f32s(a, b, c)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, register: S::f32s) -> Self {
        simd.reduce_sum_f32s(register)
    }
}

impl Lanes for f64 {
    type Register<S: Simd> = S::f64s;
    #[inline(always)]
    fn splat<S: Simd>(simd: S, value: Self) -> S::f64s {
        simd.splat_f64s(value)
    }
    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.mul_add_f64s(a, b, c)
    }
    #[inline(always)]
    fn sum<S: Simd>(simd: S, register: S::f64s) -> Self {
        simd.reduce_sum_f64s(register)
    }
}

/// Elements of a register.
pub(crate) const fn lanes<S: Simd, T: Lanes>() -> usize {
    size_of::<T::Register<S>>() / size_of::<T>()
}
