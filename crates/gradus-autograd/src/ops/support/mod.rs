//! What op files share: dispatch on the float dtype, elementwise functions with their derivatives, broadcasting and its reverse.

pub(crate) mod affine;
pub(crate) mod attention;
pub(crate) mod binary;
pub(crate) mod classes;
pub(crate) mod compare;
pub(crate) mod compose;
pub(crate) mod contract;
pub(crate) mod conv;
pub(crate) mod count;
pub(crate) mod extremum;
pub(crate) mod index;
pub(crate) mod lane_cases;
pub(crate) mod lanes;
pub(crate) mod lean;
pub(crate) mod loss;
pub(crate) mod matrix;
pub(crate) mod matrix_cases;
pub(crate) mod movement;
pub(crate) mod noise;
pub(crate) mod normalized;
pub(crate) mod order;
pub(crate) mod pairs;
pub(crate) mod place_ops;
pub(crate) mod places;
pub(crate) mod pool;
pub(crate) mod recurrence;
pub(crate) mod recurrent;
pub(crate) mod recurrent_spec;
pub(crate) mod resample;
pub(crate) mod rows;
pub(crate) mod scaled;
pub(crate) mod scan;
pub(crate) mod scatter_cases;
pub(crate) mod scatter_reduce;
pub(crate) mod softmax;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod unary;
pub(crate) mod vector_norm;

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
            got => Err($crate::ops::support::no_float($op, got)),
        }
    };
}
pub(crate) use with_float;

/// Calls a generic function with the Rust type of any dtype.
macro_rules! with_any {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use gradus_tensor::{DType, bf16, f16};
        with_any!(@arms $dtype, $T => $body, F32 f32, F64 f64, BF16 bf16, F16 f16, I64 i64, U8 u8, Bool bool)
    }};
    (@arms $dtype:expr, $T:ident => $body:expr, $($tag:ident $ty:ty),+) => {
        match $dtype {
            $(DType::$tag => { type $T = $ty; $body })+
        }
    };
}
pub(crate) use with_any;

/// The error for a dtype that does not compute.
pub(crate) fn no_float(op: &'static str, got: DType) -> Error {
    Error::DType {
        op,
        expected: FLOATS,
        got,
    }
}

/// A function of one number, written once for both computing dtypes.
pub(crate) trait Map1: Copy + Send + Sync {
    fn call<T: Float>(self, x: T) -> T;
}

/// A function of two numbers, written once for both computing dtypes.
pub(crate) trait Map2: Copy + Send + Sync {
    fn call<T: Float>(self, a: T, b: T) -> T;
}

/// A function of three numbers, written once for both computing dtypes.
pub(crate) trait Map3: Copy + Send + Sync {
    fn call<T: Float>(self, a: T, b: T, c: T) -> T;
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

/// `f` of each triple of elements, broadcast to `shape`, in a new contiguous tensor.
pub(crate) fn map3(
    op: &'static str,
    shape: &Shape,
    [a, b, c]: [&Tensor; 3],
    f: impl Map3,
) -> Result<Tensor> {
    same_dtype(op, a, b)?;
    same_dtype(op, a, c)?;
    with_float!(a.dtype(), op, T => {
        let a = a.view::<T>()?.broadcast(op, shape)?;
        let b = b.view::<T>()?.broadcast(op, shape)?;
        let c = c.view::<T>()?.broadcast(op, shape)?;
        Tensor::build(shape, |dst: &mut [T]| {
            elementwise::map3(dst, a, b, c, #[inline(always)] move |a, b, c| f.call(a, b, c));
        })
    })
}

/// The shape that two operands of one dtype broadcast to.
pub(crate) fn broadcast_pair(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Shape> {
    same_dtype(op, a, b)?;
    broadcast_shapes(op, a.shape(), b.shape())
}

/// Refuses a tensor of another dtype than this.
pub(crate) fn require_dtype(
    op: &'static str,
    x: &Tensor,
    expected: &'static [DType],
) -> Result<()> {
    if expected.contains(&x.dtype()) {
        return Ok(());
    }
    let got = x.dtype();
    Err(Error::DType { op, expected, got })
}

/// Refuses a second operand of another shape.
pub(crate) fn same_shape(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.shape() == b.shape() {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        lhs: *a.shape(),
        rhs: *b.shape(),
        rule: "shapes must be equal",
    })
}

/// Refuses an argument that fails a test.
pub(crate) fn require(
    ok: bool,
    op: &'static str,
    name: &'static str,
    expected: &'static str,
    got: f64,
) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(Error::Argument {
        op,
        name,
        expected,
        got,
    })
}

/// A constant of rank 0 with the dtype of `x`.
pub(crate) fn scalar_like(x: &Var, value: f64) -> Result<Var> {
    Ok(Var::constant(Tensor::constant((), x.dtype(), value)?))
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

/// The var in this dtype: itself, if it has it.
pub(crate) fn in_dtype(x: Var, dtype: DType) -> Result<Var> {
    if x.dtype() == dtype {
        Ok(x)
    } else {
        x.to_dtype(dtype)
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

/// Where `x` is above 0.
pub(crate) fn is_positive(x: &Tensor) -> Result<Tensor> {
    with_float!(x.dtype(), "is_positive", T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] |x| x > T::ZERO);
        })
    })
}

/// The share of an operand of `maximum` or `minimum`: nothing if it lost, half of a tie, else all.
#[inline(always)]
pub(crate) fn share<T: Float>(grad_out: T, lost: bool, tie: bool) -> T {
    let won = if tie { T::HALF * grad_out } else { grad_out };
    if lost { T::ZERO } else { won }
}
