//! Squares.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
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

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(|x| x.square(), &BOTH_SIGNS, |x| x * x);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].square(), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.square(), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.square());
    }
}
