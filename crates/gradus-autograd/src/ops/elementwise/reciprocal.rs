//! Reciprocals.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::OpSpec;
use crate::registry::templates::{DIVISORS, unary_spec};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Reciprocal;

impl Function for Reciprocal {
    const NAME: &'static str = "reciprocal";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.recip()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, -(y * y))
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, &y.square()?.neg()?)
    }
}

impl Var {
    /// The reciprocal of each element: `1 / x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// One rounding; ±∞ at ±0. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out · y²`. A zero `grad_out` stays 0 where the derivative is infinite. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-0.5_f64, 4.0], [2])?);
    /// assert_eq!(x.reciprocal()?.tensor().to_vec::<f64>()?, [-2.0, 0.25]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.reciprocal`.
    pub fn reciprocal(&self) -> Result<Self> {
        unary(Reciprocal, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("reciprocal", reciprocal, DIVISORS, |x| 1.0 / x)
}
