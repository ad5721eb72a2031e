//! Gaussian error linear units.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::{Result, Var};
use std::f64::consts::FRAC_1_SQRT_2;

/// 1/√(2π)
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;

#[derive(Clone, Copy, Debug)]
struct Gelu;

impl Function for Gelu {
    const NAME: &'static str = "gelu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        T::HALF * x * (T::ONE + (T::from_f64(FRAC_1_SQRT_2) * x).erf())
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let below = T::HALF * (T::ONE + (T::from_f64(FRAC_1_SQRT_2) * x).erf());
        let density = T::from_f64(FRAC_1_SQRT_TAU) * (-T::HALF * x * x).exp();
        grad_out * (below + x * density)
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let below = x
            .mul_scalar(FRAC_1_SQRT_2)?
            .erf()?
            .add_scalar(1.0)?
            .mul_scalar(0.5)?;
        let density = x
            .square()?
            .mul_scalar(-0.5)?
            .exp()?
            .mul_scalar(FRAC_1_SQRT_TAU)?;
        grad_out.mul(&below.add(&x.mul(&density)?)?)
    }
}

impl Var {
    /// The Gaussian error linear unit: `x · Φ(x)`, with `Φ` the normal distribution function.
    ///
    /// [`Var::gelu_tanh`] is the approximation that some checkpoints were trained with.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// By the error function; absolute error below 2e-7 in f32. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (Φ(x) + x · φ(x))`, with `φ` the normal density. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1.0, 100.0], [3])?);
    /// let y = x.gelu()?.tensor().to_vec::<f64>()?;
    /// assert!((y[1] - 0.841_344_746_068_543).abs() < 1e-12);
    /// assert_eq!([y[0], y[2]], [0.0, 100.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.gelu(approximate="none")`. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    pub fn gelu(&self) -> Result<Self> {
        unary(Gelu, self)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(
            |x| x.gelu(),
            &BOTH_SIGNS,
            |x| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].gelu(), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.gelu(), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.gelu());
    }

    #[test]
    fn museum_18_large_elements_are_finite() {
        let x = leaf(&[1e4_f32, -1e4, 0.0], 3);
        let y = x.gelu().unwrap();
        assert_eq!(values(&y), [1e4, 0.0, 0.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [1.0, 0.0, 0.5]
        );
    }
}
