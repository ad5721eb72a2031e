//! Magnitudes.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Abs;

impl Function for Abs {
    const NAME: &'static str = "abs";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.abs()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        grad_out * x.sign()
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// The magnitude of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sign(x)`, which is 0 at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-1.5_f64, 0.0, 2.0], [3])?);
    /// assert_eq!(x.abs()?.tensor().to_vec::<f64>()?, [1.5, 0.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.abs`.
    pub fn abs(&self) -> Result<Self> {
        unary(Abs, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("abs", abs, Values::NONZERO, f64::abs).kinked()
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn gradient_at_zero_is_zero() {
        let x = leaf(&[0.0_f64, -0.0], 2);
        let grads = x
            .abs()
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 2]
        );
    }
}
