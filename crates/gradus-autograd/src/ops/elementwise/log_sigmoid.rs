//! Logarithms of the logistic function.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
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

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(|x| x.log_sigmoid(), &BOTH_SIGNS, |x| -(-x).exp().ln_1p());
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].log_sigmoid(), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.log_sigmoid(), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.log_sigmoid());
    }

    #[test]
    fn museum_17_derivative_at_0_is_a_half() {
        let x = leaf(&[0.0_f64], 1);
        let grads = x.log_sigmoid().unwrap().backward().unwrap();
        assert_eq!(grads.get_var(&x).unwrap().item::<f64>().unwrap(), 0.5);
    }
}
