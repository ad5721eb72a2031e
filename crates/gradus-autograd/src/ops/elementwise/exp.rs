//! Exponentials.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Exp;

impl Function for Exp {
    const NAME: &'static str = "exp";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.exp()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, y)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, y)
    }
}

impl Var {
    /// The exponential of each element: `e^x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64; overflows to ∞, underflows to 0.
    ///
    /// # Gradient
    /// `grad_out · y`. A zero `grad_out` stays 0 where `y` is infinite. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, -1000.0], [2])?);
    /// assert_eq!(x.exp()?.tensor().to_vec::<f64>()?, [1.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.exp`.
    pub fn exp(&self) -> Result<Self> {
        unary(Exp, self)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(|x| x.exp(), &BOTH_SIGNS, f64::exp);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].exp(), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.exp(), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.exp());
    }
}
