//! What op files share: dispatch on the float dtype, broadcasting, and its reverse.

use gradus_linalg::{Float, elementwise};
use gradus_tensor::{DType, Error, Result, Shape, Tensor, broadcast_shapes};

use crate::Var;

/// The dtypes that compute.
pub(crate) const FLOATS: &[DType] = &[DType::F32, DType::F64];

/// Calls a generic function with the Rust type of a computing dtype: `with_float!(x.dtype(), "exp", T => run::<T>(x))`.
macro_rules! with_float {
    ($dtype:expr, $op:expr, $T:ident => $body:expr) => {
        match $dtype {
            gradus_tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            gradus_tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            got => Err(gradus_tensor::Error::DType {
                op: $op,
                expected: $crate::ops::support::FLOATS,
                got,
            }),
        }
    };
}
pub(crate) use with_float;

/// A function of one number, written once for both computing dtypes.
pub(crate) trait Map1: Copy + Send + Sync {
    fn call<T: Float>(self, x: T) -> T;
}

/// A function of two numbers, written once for both computing dtypes.
pub(crate) trait Map2: Copy + Send + Sync {
    fn call<T: Float>(self, a: T, b: T) -> T;
}

/// `f` of each element, in a new contiguous tensor.
pub(crate) fn map1(op: &'static str, x: &Tensor, f: impl Map1) -> Result<Tensor> {
    with_float!(x.dtype(), op, T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [T]| {
            elementwise::map1(dst, view, #[inline(always)] move |x| f.call(x));
        })
    })
}

/// `f` of each pair of elements, broadcast, in a new contiguous tensor.
pub(crate) fn map2(op: &'static str, a: &Tensor, b: &Tensor, f: impl Map2) -> Result<Tensor> {
    let shape = broadcast_pair(op, a, b)?;
    with_float!(a.dtype(), op, T => {
        let (a, b) = (a.view::<T>()?.broadcast(op, &shape)?, b.view::<T>()?.broadcast(op, &shape)?);
        Tensor::build(shape, |dst: &mut [T]| {
            elementwise::map2(dst, a, b, #[inline(always)] move |a, b| f.call(a, b));
        })
    })
}

/// The shape that two operands of one dtype broadcast to.
pub(crate) fn broadcast_pair(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Shape> {
    same_dtype(op, a, b)?;
    broadcast_shapes(op, a.shape(), b.shape())
}

/// Refuses operands of different dtypes.
pub(crate) fn same_dtype(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dtype() == b.dtype() {
        Ok(())
    } else {
        Err(Error::DTypeMismatch {
            op,
            lhs: a.dtype(),
            rhs: b.dtype(),
        })
    }
}

/// The gradient of an operand that was broadcast: summed over the dims in which it was expanded.
pub(crate) fn unbroadcast(grad: &Var, shape: &Shape) -> Result<Var> {
    if grad.shape() == shape {
        return Ok(grad.clone());
    }
    let new = grad.rank() - shape.rank();
    let expanded = |axis: usize| axis < new || shape[axis - new] == 1 && grad.dims()[axis] != 1;
    let dims: Vec<isize> = (0..grad.rank())
        .filter(|&axis| expanded(axis))
        .map(|axis| axis as isize)
        .collect();
    if dims.is_empty() {
        grad.reshape(shape)
    } else {
        grad.sum(&dims, true)?.reshape(shape)
    }
}
