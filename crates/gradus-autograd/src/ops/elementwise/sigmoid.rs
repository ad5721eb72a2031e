//! The logistic function.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Sigmoid;

impl Function for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.sigmoid()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        grad_out * (y * (T::ONE - y))
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        grad_out.mul(&y.mul(&y.neg()?.add_scalar(1.0)?)?)
    }
}

impl Var {
    /// The logistic function: `1 / (1 + e^-x)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 0.51 ULP in f32, also in both tails. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · y · (1 - y)`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0, -1000.0], [3])?);
    /// assert_eq!(x.sigmoid()?.tensor().to_vec::<f64>()?, [0.5, 1.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sigmoid`.
    pub fn sigmoid(&self) -> Result<Self> {
        unary(Sigmoid, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sigmoid", sigmoid, Values::REAL, |x| 1.0
        / (1.0 + (-x).exp()))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_18_gradient_is_right_at_any_size() {
        let x = leaf(&[0.0_f64, 2.0, 800.0, -800.0], 4);
        let grads = x
            .sigmoid()
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        gradus_testing::check_close(
            "sigmoid'",
            &got,
            &[0.25, 0.104_993_585_403_506_52, 0.0, 0.0],
            1e-13,
            0.0,
        );
    }
}
