//! Masks from numbers: comparisons of two tensors of any dtypes, and logic.
//!
//! Whole numbers are compared as i64, floats of one dtype as they are; else both become f64, which holds every float and every
//! whole number up to 2^53. So a comparison is that of the numbers themselves, where PyTorch first rounds an i64 to an f32.

use gradus_linalg::elementwise;
use gradus_tensor::{DType, Element, Result, Tensor, broadcast_shapes};

/// The order of two elements that a mask asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Equal,
    Less,
    AtMost,
}

/// Where `a` and `b` stand in this order, broadcast; nowhere if one is NaN.
pub(crate) fn compare(op: &'static str, order: Order, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match common(a.dtype(), b.dtype()) {
        DType::I64 => compare_as::<i64>(op, order, a, b),
        DType::F32 => compare_as::<f32>(op, order, a, b),
        _ => compare_as::<f64>(op, order, a, b),
    }
}

/// A dtype that holds the elements of both: i64, f32 or f64.
fn common(a: DType, b: DType) -> DType {
    let small = |dtype| matches!(dtype, DType::F32 | DType::BF16 | DType::F16);
    match (a.is_float(), b.is_float()) {
        (false, false) => DType::I64,
        (true, true) if small(a) && small(b) => DType::F32,
        _ => DType::F64,
    }
}

fn compare_as<T: Element + PartialOrd>(
    op: &'static str,
    order: Order,
    a: &Tensor,
    b: &Tensor,
) -> Result<Tensor> {
    let shape = broadcast_shapes(op, a.shape(), b.shape())?;
    let (a, b) = (a.to_dtype(T::DTYPE)?, b.to_dtype(T::DTYPE)?);
    let a = a.view::<T>()?.broadcast(op, &shape)?;
    let b = b.view::<T>()?.broadcast(op, &shape)?;
    Tensor::build(shape, |dst: &mut [bool]| match order {
        Order::Equal => elementwise::map2(
            dst,
            a,
            b,
            #[inline(always)]
            |a, b| a == b,
        ),
        Order::Less => elementwise::map2(
            dst,
            a,
            b,
            #[inline(always)]
            |a, b| a < b,
        ),
        Order::AtMost => elementwise::map2(
            dst,
            a,
            b,
            #[inline(always)]
            |a, b| a <= b,
        ),
    })
}

/// `f` of each pair of truth values, broadcast; any number but 0 is true, NaN too.
pub(crate) fn logic(
    op: &'static str,
    a: &Tensor,
    b: &Tensor,
    f: fn(bool, bool) -> bool,
) -> Result<Tensor> {
    let shape = broadcast_shapes(op, a.shape(), b.shape())?;
    let (a, b) = (a.to_dtype(DType::Bool)?, b.to_dtype(DType::Bool)?);
    let a = a.view::<bool>()?.broadcast(op, &shape)?;
    let b = b.view::<bool>()?.broadcast(op, &shape)?;
    Tensor::build(shape, |dst: &mut [bool]| elementwise::map2(dst, a, b, f))
}

/// Where a mask is false.
pub(crate) fn not(mask: &Tensor) -> Result<Tensor> {
    logic("logical_not", mask, mask, |x, _| !x)
}

/// Where `|a - b| <= atol + rtol · |b|`, or both are equal, or, if asked for, both NaN; in f64.
pub(crate) fn close(
    a: &Tensor,
    b: &Tensor,
    [rtol, atol]: [f64; 2],
    equal_nan: bool,
) -> Result<Tensor> {
    let op = "isclose";
    let shape = broadcast_shapes(op, a.shape(), b.shape())?;
    let (a, b) = (a.to_dtype(DType::F64)?, b.to_dtype(DType::F64)?);
    let a = a.view::<f64>()?.broadcast(op, &shape)?;
    let b = b.view::<f64>()?.broadcast(op, &shape)?;
    Tensor::build(shape, |dst: &mut [bool]| {
        elementwise::map2(dst, a, b, move |a: f64, b: f64| {
            let within = b.is_finite() && (a - b).abs() <= atol + rtol * b.abs();
            a == b || within || equal_nan && a.is_nan() && b.is_nan()
        });
    })
}
