//! Linear units with two limits.

use gradus_linalg::Float;

use crate::ops::support::require;
use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Hardtanh {
    min: f64,
    max: f64,
}

impl Function for Hardtanh {
    const NAME: &'static str = "hardtanh";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.maximum(T::from_f64(self.min))
            .minimum(T::from_f64(self.max))
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x <= T::from_f64(self.min) || x >= T::from_f64(self.max) {
            T::ZERO
        } else {
            grad_out
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// `x` limited to `min..=max`; PyTorch's defaults are -1 and 1. It differs from [`Var::clamp`] in the gradient
    /// at the limits.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` strictly between the limits, else 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `min > max` or one is NaN; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-3.0_f64, 0.5, 3.0], [3])?);
    /// assert_eq!(x.hardtanh(-1.0, 1.0)?.tensor().to_vec::<f64>()?, [-1.0, 0.5, 1.0]);
    /// assert_eq!(x.relu6()?.tensor().to_vec::<f64>()?, [0.0, 0.5, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.hardtanh`.
    pub fn hardtanh(&self, min: f64, max: f64) -> Result<Self> {
        require(min <= max, "hardtanh", "min", "at most max", min)?;
        unary(Hardtanh { min, max }, self)
    }

    /// `min(max(x, 0), 6)`: [`Var::hardtanh`] with the limits 0 and 6.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.relu6`.
    pub fn relu6(&self) -> Result<Self> {
        self.hardtanh(0.0, 6.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_map(
            |x| x.hardtanh(-1.0, 1.0),
            &BOTH_SIGNS,
            |x: f64| x.clamp(-1.0, 1.0),
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].hardtanh(-1.0, 1.0), &[tensor(&BOTH_SIGNS, [2, 3])]);
    }

    #[test]
    fn accepts_strided_views() {
        check_map_layouts(|x| x.hardtanh(-1.0, 1.0), &BOTH_SIGNS);
    }

    #[test]
    fn rejects_integers() {
        check_rejects_integers(|x| x.hardtanh(-1.0, 1.0));
    }

    #[test]
    fn rejects_limits_out_of_order() {
        assert!(constant(&[1.0_f64], 1).hardtanh(1.0, -1.0).is_err());
    }

    #[test]
    fn relu6_is_cut_at_both_ends() {
        let x = leaf(&[-1.0_f64, 0.0, 2.0, 6.0, 7.0], 5);
        let y = x.relu6().unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 2.0, 6.0, 6.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, 1.0, 0.0, 0.0]
        );
    }
}
