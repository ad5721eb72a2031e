//! Conversion between dtypes.
//!
//! Rules, which are Rust's `as` where PyTorch leaves the result undefined: a float becomes an integer by truncation
//! towards zero, clamped to the target's range, NaN becomes 0; anything becomes a bool by `!= 0` (NaN is true); to a
//! narrower float values are rounded to nearest, ties to even.

use half::{bf16, f16};

use crate::copy::copy_into;
use crate::{DType, Element, Result, Tensor, View};

/// Values pass through one of these on their way: f64 holds f32, bf16, f16 and u8 exactly, i64 the integers.
trait Cast: Element {
    fn widen(self) -> Wide;
    fn narrow(wide: Wide) -> Self;
}

#[derive(Clone, Copy)]
enum Wide {
    Float(f64),
    Int(i64),
}

impl Wide {
    #[inline(always)]
    fn float(self) -> f64 {
        match self {
            Self::Float(x) => x,
            Self::Int(x) => x as f64,
        }
    }

    #[inline(always)]
    fn int(self) -> i64 {
        match self {
            Self::Float(x) => x as i64,
            Self::Int(x) => x,
        }
    }
}

macro_rules! cast {
    ($ty:ty, $widen:expr, $narrow:expr) => {
        impl Cast for $ty {
            #[inline(always)]
            fn widen(self) -> Wide {
                $widen(self)
            }
            #[inline(always)]
            fn narrow(wide: Wide) -> Self {
                $narrow(wide)
            }
        }
    };
}
cast!(f32, |x| Wide::Float(f64::from(x)), |w| match w {
    Wide::Float(x) => x as f32,
    Wide::Int(x) => x as f32,
});
cast!(f64, Wide::Float, Wide::float);
cast!(bf16, |x: Self| Wide::Float(x.to_f64()), |w: Wide| {
    Self::from_f64(w.float())
});
cast!(f16, |x: Self| Wide::Float(x.to_f64()), |w: Wide| {
    Self::from_f64(w.float())
});
cast!(i64, Wide::Int, Wide::int);
cast!(u8, |x| Wide::Int(i64::from(x)), |w| match w {
    Wide::Float(x) => x as u8,
    Wide::Int(x) => x as u8,
});
cast!(bool, |x| Wide::Int(i64::from(x)), |w| match w {
    Wide::Float(x) => x != 0.0,
    Wide::Int(x) => x != 0,
});

impl Tensor {
    /// The same values as another dtype; shares the storage if the dtype is the same.
    ///
    /// Floats become integers by truncation, clamped, NaN as 0; integers become `u8` modulo 256; anything becomes
    /// `bool` by `!= 0`; narrower floats are rounded to nearest even.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        match self.dtype() {
            DType::F32 => cast_from::<f32>(self, dtype),
            DType::F64 => cast_from::<f64>(self, dtype),
            DType::BF16 => cast_from::<bf16>(self, dtype),
            DType::F16 => cast_from::<f16>(self, dtype),
            DType::I64 => cast_from::<i64>(self, dtype),
            DType::U8 => cast_from::<u8>(self, dtype),
            DType::Bool => cast_from::<bool>(self, dtype),
        }
    }
}

fn cast_from<T: Cast>(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let view = x.view::<T>()?;
    match dtype {
        DType::F32 => cast_to::<T, f32>(view),
        DType::F64 => cast_to::<T, f64>(view),
        DType::BF16 => cast_to::<T, bf16>(view),
        DType::F16 => cast_to::<T, f16>(view),
        DType::I64 => cast_to::<T, i64>(view),
        DType::U8 => cast_to::<T, u8>(view),
        DType::Bool => cast_to::<T, bool>(view),
    }
}

fn cast_to<T: Cast, U: Cast>(view: View<'_, T>) -> Result<Tensor> {
    Tensor::build(view.shape(), |out: &mut [U]| {
        let mut buffer = Vec::new();
        let source = view.as_slice().unwrap_or_else(|| {
            buffer.resize(out.len(), T::default());
            copy_into(&mut buffer, view);
            &buffer
        });
        for (to, &from) in out.iter_mut().zip(source) {
            *to = U::narrow(from.widen());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast<T: Element, U: Element>(values: &[T]) -> Vec<U> {
        let x = Tensor::from_slice(values, values.len()).unwrap();
        x.to_dtype(U::DTYPE).unwrap().to_vec().unwrap()
    }

    #[test]
    fn floats_become_integers_by_clamped_truncation() {
        assert_eq!(
            cast::<f32, i64>(&[-1.9, 1.9, f32::NAN, f32::INFINITY]),
            [-1, 1, 0, i64::MAX]
        );
        assert_eq!(cast::<f32, u8>(&[-5.0, 255.9, 300.0]), [0, 255, 255]);
        assert_eq!(
            cast::<f64, bool>(&[0.0, -0.0, 0.1, f64::NAN]),
            [false, false, true, true]
        );
    }

    #[test]
    fn large_integers_survive() {
        assert_eq!(
            cast::<i64, i64>(&[i64::MIN, (1 << 53) + 1]),
            [i64::MIN, (1 << 53) + 1]
        );
        assert_eq!(cast::<bool, f32>(&[true, false]), [1.0, 0.0]);
    }

    #[test]
    fn halves_round_to_nearest_even() {
        assert_eq!(
            cast::<f32, bf16>(&[1.0 + 1.0 / 256.0])[0],
            bf16::from_f32(1.0)
        );
        assert_eq!(cast::<f16, f32>(&[f16::from_f32(65504.0)]), [65504.0]);
    }

    #[test]
    fn strided_sources_convert_in_logical_order() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])
            .unwrap()
            .transpose(0, 1)
            .unwrap();
        assert_eq!(
            x.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap(),
            [1, 3, 2, 4]
        );
    }
}
