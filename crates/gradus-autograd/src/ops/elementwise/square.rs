//! Squares.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Square;

impl Function for Square {
    const NAME: &'static str = "square";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x * x
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        grad_out * (T::TWO * x)
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        grad_out.mul(&x.mul_scalar(2.0)?)
    }
}

impl Var {
    /// The square of each element: `x²`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// One rounding. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · 2x`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.square()?.tensor().to_vec::<f64>()?, [2.25, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.square`.
    pub fn square(&self) -> Result<Self> {
        unary(Square, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("square", square, Values::REAL, |x| x * x)
}
