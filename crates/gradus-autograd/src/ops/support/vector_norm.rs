//! Norms of vectors along dims, with gradient 0 where a norm has none.

use gradus_linalg::{Float, elementwise};
use gradus_tensor::{Result, Tensor};

use super::{scalar_like, with_float};
use crate::Var;

/// Where `x` is 0.
pub(crate) fn is_zero(x: &Tensor) -> Result<Tensor> {
    with_float!(x.dtype(), "is_zero", T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] |x| x == T::ZERO);
        })
    })
}

/// `x`, with `value` where the mask is set: no gradient there.
pub(crate) fn replaced(x: &Var, mask: &Tensor, value: f64) -> Result<Var> {
    scalar_like(x, value)?.where_(mask, x)
}

/// `x^p` of numbers that are not negative; 0 where `x` is 0, with gradient 0, whatever the derivative's limit.
fn power(x: &Var, p: f64) -> Result<Var> {
    let zeros = is_zero(x.tensor())?;
    replaced(&replaced(x, &zeros, 1.0)?.pow_scalar(p)?, &zeros, 0.0)
}

/// `(Σ |x|^p)^(1/p)` along dims, which stay with size 1; the largest or smallest magnitude for an infinite p, the number of elements
/// that are not 0 for p = 0. Where the norm is 0, and for elements of 0 if p ≤ 1, the gradient is 0.
pub(crate) fn vector_norm(x: &Var, p: f64, dims: &[isize]) -> Result<Var> {
    if p == 0.0 {
        let ones = scalar_like(x, 1.0)?.expand(x.shape())?;
        return replaced(&ones, &is_zero(x.tensor())?, 0.0)?.sum(dims, true);
    }
    let size = x.abs()?;
    if p == f64::INFINITY {
        return size.amax(dims, true);
    }
    if p == f64::NEG_INFINITY {
        return size.amin(dims, true);
    }
    if p == 1.0 {
        return size.sum(dims, true);
    }
    if p == 2.0 {
        return power(&x.square()?.sum(dims, true)?, 0.5);
    }
    if p < 0.0 {
        return size.pow_scalar(p)?.sum(dims, true)?.pow_scalar(1.0 / p);
    }
    power(&power(&size, p)?.sum(dims, true)?, 1.0 / p)
}
