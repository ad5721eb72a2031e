//! Reciprocal square roots.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Rsqrt;

impl Function for Rsqrt {
    const NAME: &'static str = "rsqrt";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.sqrt().recip()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, -T::HALF * y * y * y)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, &y.square()?.mul(y)?.mul_scalar(-0.5)?)
    }
}

impl Var {
    /// The reciprocal square root of each element: `1 / √x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Two roundings, at most 1.5 ULP; ∞ at 0, NaN below. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out · y³ / 2`. A zero `grad_out` stays 0 where the derivative is infinite. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[4.0_f64, 0.25], [2])?);
    /// assert_eq!(x.rsqrt()?.tensor().to_vec::<f64>()?, [0.5, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.rsqrt`.
    pub fn rsqrt(&self) -> Result<Self> {
        unary(Rsqrt, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("rsqrt", rsqrt, Values::POSITIVE, |x| 1.0 / x.sqrt())
}
