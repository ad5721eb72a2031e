//! Exponential linear units.

use gradus_linalg::Float;

use crate::ops::support::is_positive;
use crate::ops::support::unary::{Function, Keeps, unary};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Elu {
    alpha: f64,
}

impl Function for Elu {
    const NAME: &'static str = "elu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        if x > T::ZERO {
            x
        } else {
            T::from_f64(self.alpha) * x.minimum(T::ZERO).exp_m1()
        }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x > T::ZERO {
            grad_out
        } else {
            grad_out * (T::from_f64(self.alpha) * x.minimum(T::ZERO).exp())
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let curve = x.clamp(None, Some(0.0))?.exp()?.mul_scalar(self.alpha)?;
        grad_out.where_(&is_positive(x.tensor())?, &grad_out.mul(&curve)?)
    }
}

impl Var {
    /// The exponential linear unit: `x` where it is above 0, else `alpha · (e^x - 1)`. PyTorch's default `alpha` is
    /// 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// `e^x - 1` without loss near 0; large `x` do not overflow. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > 0`, else `grad_out · alpha · e^x`, also at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-1000.0_f64, 0.0, 3.0], [3])?);
    /// assert_eq!(x.elu(1.0)?.tensor().to_vec::<f64>()?, [-1.0, 0.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.elu`. Clevert et al. 2015, arXiv:1511.07289.
    pub fn elu(&self, alpha: f64) -> Result<Self> {
        unary(Elu { alpha }, self)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(
            |x| x.elu(1.3),
            &BOTH_SIGNS,
            |x: f64| if x > 0.0 { x } else { 1.3 * x.exp_m1() },
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].elu(1.3), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.elu(1.3), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.elu(1.3));
    }

    #[test]
    fn museum_18_gradient_of_large_elements_is_1() {
        let x = leaf(&[1e4_f32, 200.0, -1e4], 3);
        let grads = x
            .elu(1.0)
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [1.0, 1.0, 0.0]
        );
    }
}
