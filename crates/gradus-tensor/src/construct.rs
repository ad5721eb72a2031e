//! Making tensors: from slices and bytes, constants, ranges, the identity.

use half::{bf16, f16};

use crate::{DType, Element, Error, IntoShape, Result, Tensor};

/// Element types that ranges can count in: f32, f64, i64.
pub trait Step: Element {
    #[doc(hidden)]
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    fn from_f64(value: f64) -> Self;
    /// `start + i · step`, in the type itself for integers and in f64 for floats.
    #[doc(hidden)]
    fn nth(start: Self, step: Self, i: usize) -> Self;
}

macro_rules! float_step {
    ($($ty:ty),*) => {$(
        impl Step for $ty {
            fn to_f64(self) -> f64 { f64::from(self) }
            fn from_f64(value: f64) -> Self { value as $ty }
            fn nth(start: Self, step: Self, i: usize) -> Self {
                (f64::from(start) + i as f64 * f64::from(step)) as $ty
            }
        }
    )*};
}
float_step!(f32, f64);

impl Step for i64 {
    fn to_f64(self) -> f64 {
        self as f64
    }
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn nth(start: Self, step: Self, i: usize) -> Self {
        start.wrapping_add(step.wrapping_mul(i as Self))
    }
}

impl Tensor {
    /// A tensor of these elements, given in row-major order.
    ///
    /// # Errors
    /// [`Error::Length`] if the shape does not have as many elements as the slice.
    pub fn from_slice<T: Element>(data: &[T], shape: impl IntoShape) -> Result<Self> {
        let shape = shape.into_shape()?;
        if shape.numel() != data.len() {
            return Err(Error::Length {
                op: "from_slice",
                expected: shape.numel(),
                got: data.len(),
            });
        }
        Self::build(shape, |out| out.copy_from_slice(data))
    }

    /// A tensor of rank 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn scalar<T: Element>(value: T) -> Result<Self> {
        Self::full((), value)
    }

    /// A tensor with `value` everywhere.
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn full<T: Element>(shape: impl IntoShape, value: T) -> Result<Self> {
        Self::build(shape, |out| out.fill(value))
    }

    /// A tensor of zeros; `false` for [`DType::Bool`].
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn zeros(shape: impl IntoShape, dtype: DType) -> Result<Self> {
        Self::constant(shape, dtype, 0.0)
    }

    /// A tensor of ones; `true` for [`DType::Bool`].
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn ones(shape: impl IntoShape, dtype: DType) -> Result<Self> {
        Self::constant(shape, dtype, 1.0)
    }

    /// A tensor of one value, converted to `dtype` as by [`Tensor::to_dtype`].
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn constant(shape: impl IntoShape, dtype: DType, value: f64) -> Result<Self> {
        match dtype {
            DType::F32 => Self::full(shape, value as f32),
            DType::F64 => Self::full(shape, value),
            DType::BF16 => Self::full(shape, bf16::from_f64(value)),
            DType::F16 => Self::full(shape, f16::from_f64(value)),
            DType::I64 => Self::full(shape, value as i64),
            DType::U8 => Self::full(shape, value as u8),
            DType::Bool => Self::full(shape, value != 0.0),
        }
    }

    /// `start, start + step, …` up to but without `end`, as `torch.arange`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the step is 0 or not finite, or leads away from `end`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// assert_eq!(Tensor::arange(5_i64, 0, -2)?.to_vec::<i64>()?, [5, 3, 1]);
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    pub fn arange<T: Step>(start: T, end: T, step: T) -> Result<Self> {
        let count = (end.to_f64() - start.to_f64()) / step.to_f64();
        if step.to_f64() == 0.0 || !count.is_finite() || count < 0.0 {
            let got = step.to_f64();
            return Err(Error::Argument {
                op: "arange",
                name: "step",
                expected: "finite, not 0, and towards end",
                got,
            });
        }
        let count = count.ceil();
        if count >= isize::MAX as f64 {
            return Err(Error::Overflow {
                op: "arange",
                what: "number of elements",
            });
        }
        Self::build(count as usize, |out| {
            for (i, x) in out.iter_mut().enumerate() {
                *x = T::nth(start, step, i);
            }
        })
    }

    /// `steps` numbers from `start` to `end`, both included, as `torch.linspace`: symmetric, with exact ends.
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn linspace<T: Step>(start: T, end: T, steps: usize) -> Result<Self> {
        let (first, last) = (start.to_f64(), end.to_f64());
        let step = if steps > 1 {
            (last - first) / (steps - 1) as f64
        } else {
            0.0
        };
        Self::build(steps, |out| {
            for (i, x) in out.iter_mut().enumerate() {
                let value = if i < steps / 2 || steps == 1 {
                    first + i as f64 * step
                } else {
                    last - (steps - 1 - i) as f64 * step
                };
                *x = T::from_f64(value);
            }
        })
    }

    /// The identity matrix, `(n, n)`.
    ///
    /// # Errors
    /// The shape's errors, [`Error::OutOfMemory`].
    pub fn eye(n: usize, dtype: DType) -> Result<Self> {
        let identity = Self::try_build([n, n], |out: &mut [f32]| {
            out.fill(0.0);
            out.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
            Ok(())
        })?;
        identity.to_dtype(dtype)
    }

    /// A tensor from little-endian bytes, as files hold them.
    ///
    /// # Errors
    /// [`Error::Length`] if the bytes are not exactly those of the shape; [`Error::Argument`] for a bool that is
    /// neither 0 nor 1.
    pub fn from_le_bytes(dtype: DType, shape: impl IntoShape, bytes: &[u8]) -> Result<Self> {
        let shape = shape.into_shape()?;
        let expected = shape.numel().checked_mul(dtype.size());
        let expected = expected.ok_or(Error::Overflow {
            op: "from_le_bytes",
            what: "number of bytes",
        })?;
        if bytes.len() != expected {
            return Err(Error::Length {
                op: "from_le_bytes",
                expected,
                got: bytes.len(),
            });
        }
        match dtype {
            DType::F32 => decode(shape, bytes, f32::from_le_bytes),
            DType::F64 => decode(shape, bytes, f64::from_le_bytes),
            DType::BF16 => decode(shape, bytes, bf16::from_le_bytes),
            DType::F16 => decode(shape, bytes, f16::from_le_bytes),
            DType::I64 => decode(shape, bytes, i64::from_le_bytes),
            DType::U8 => Self::from_slice(bytes, shape),
            DType::Bool => match bytes.iter().find(|&&b| b > 1) {
                Some(&bad) => {
                    let got = f64::from(bad);
                    Err(Error::Argument {
                        op: "from_le_bytes",
                        name: "bool byte",
                        expected: "0 or 1",
                        got,
                    })
                }
                None => decode(shape, bytes, |[b]: [u8; 1]| b == 1),
            },
        }
    }

    /// The elements in row-major order as little-endian bytes, as files hold them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_le_bytes(&self) -> Result<Vec<u8>> {
        let x = self.contiguous()?;
        Ok(match x.dtype() {
            DType::F32 => encode(x.as_slice::<f32>()?, |v| v.to_le_bytes()),
            DType::F64 => encode(x.as_slice::<f64>()?, |v| v.to_le_bytes()),
            DType::BF16 => encode(x.as_slice::<bf16>()?, |v| v.to_le_bytes()),
            DType::F16 => encode(x.as_slice::<f16>()?, |v| v.to_le_bytes()),
            DType::I64 => encode(x.as_slice::<i64>()?, |v| v.to_le_bytes()),
            DType::U8 => x.as_slice::<u8>()?.to_vec(),
            DType::Bool => encode(x.as_slice::<bool>()?, |v| [u8::from(v)]),
        })
    }
}

fn decode<T: Element, const N: usize>(
    shape: crate::Shape,
    bytes: &[u8],
    read: impl Fn([u8; N]) -> T,
) -> Result<Tensor> {
    Tensor::build(shape, |out| {
        for (x, chunk) in out.iter_mut().zip(bytes.as_chunks().0) {
            *x = read(*chunk);
        }
    })
}

fn encode<T: Element, const N: usize>(data: &[T], write: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() * N);
    for &x in data {
        bytes.extend_from_slice(&write(x));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_torch() {
        assert_eq!(
            Tensor::arange(0.0_f32, 1.0, 0.25)
                .unwrap()
                .to_vec::<f32>()
                .unwrap(),
            [0.0, 0.25, 0.5, 0.75]
        );
        assert_eq!(Tensor::arange(3_i64, 3, 1).unwrap().numel(), 0);
        assert!(
            Tensor::arange(0_i64, 3, -1).is_err() && Tensor::arange(0.0_f32, 1.0, 0.0).is_err()
        );
        let line = Tensor::linspace(-1.0_f32, 1.0, 5).unwrap();
        assert_eq!(line.to_vec::<f32>().unwrap(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(
            Tensor::linspace(2.0_f64, 9.0, 1)
                .unwrap()
                .to_vec::<f64>()
                .unwrap(),
            [2.0]
        );
    }

    #[test]
    fn eye_has_ones_on_its_diagonal() {
        let eye = Tensor::eye(3, DType::I64).unwrap();
        assert_eq!(eye.to_vec::<i64>().unwrap(), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(Tensor::eye(0, DType::F32).unwrap().dims(), [0, 0]);
    }

    #[test]
    fn bytes_round_trip_for_every_dtype() {
        for dtype in DType::ALL {
            let x = Tensor::from_slice(&[1.0_f32, 0.0, 3.0, 1.0, 0.0, 2.0], [2, 3])
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let turned = x.transpose(0, 1).unwrap();
            let bytes = turned.to_le_bytes().unwrap();
            let back = Tensor::from_le_bytes(dtype, [3, 2], &bytes).unwrap();
            assert_eq!(back.to_le_bytes().unwrap(), bytes, "{dtype}");
        }
        assert!(Tensor::from_le_bytes(DType::Bool, [1], &[2]).is_err());
        assert!(Tensor::from_le_bytes(DType::F32, [2], &[0; 7]).is_err());
    }
}
