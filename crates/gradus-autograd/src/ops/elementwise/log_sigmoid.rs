//! Logarithms of the logistic function.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct LogSigmoid;

impl Function for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.minimum(T::ZERO) - (-x.abs()).exp().ln_1p()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        grad_out * (-x).sigmoid()
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        grad_out.mul(&x.neg()?.sigmoid()?)
    }
}

impl Var {
    /// The logarithm of the logistic function: `-ln(1 + e^-x)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// As `min(x, 0) - ln(1 + e^-|x|)`, without overflow. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sigmoid(-x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, -1000.0], [2])?);
    /// assert_eq!(x.log_sigmoid()?.tensor().to_vec::<f64>()?, [-std::f64::consts::LN_2, -1000.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.logsigmoid`.
    pub fn log_sigmoid(&self) -> Result<Self> {
        unary(LogSigmoid, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("log_sigmoid", log_sigmoid, Values::REAL, |x| -(1.0
        + (-x).exp())
    .ln())
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_17_derivative_at_0_is_a_half() {
        let x = leaf(&[0.0_f64], 1);
        let grads = x.log_sigmoid().unwrap().backward().unwrap();
        assert_eq!(grads.get_var(&x).unwrap().item::<f64>().unwrap(), 0.5);
    }
}
