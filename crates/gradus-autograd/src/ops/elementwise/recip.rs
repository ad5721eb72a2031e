//! Reciprocals.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Recip;

impl Function for Recip {
    const NAME: &'static str = "recip";
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
    /// assert_eq!(x.recip()?.tensor().to_vec::<f64>()?, [-2.0, 0.25]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.reciprocal`.
    pub fn recip(&self) -> Result<Self> {
        unary(Recip, self)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(|x| x.recip(), &BOTH_SIGNS, |x| 1.0 / x);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].recip(), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.recip(), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.recip());
    }
}
