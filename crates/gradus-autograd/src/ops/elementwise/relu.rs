//! Rectified linear units.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Relu;

impl Function for Relu {
    const NAME: &'static str = "relu";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.maximum(T::ZERO)
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        if y <= T::ZERO { T::ZERO } else { grad_out }
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, y)
    }
}

impl Var {
    /// The rectified linear unit: `max(x, 0)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > 0`, else 0, also at 0. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-1.5_f64, 0.0, 2.0], [3])?);
    /// assert_eq!(x.relu()?.tensor().to_vec::<f64>()?, [0.0, 0.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.relu`.
    pub fn relu(&self) -> Result<Self> {
        unary(Relu, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("relu", relu, Values::NONZERO, |x| x.max(0.0)).kinked()
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn gradient_at_zero_is_zero_and_cuts_infinities() {
        let x = leaf(&[0.0_f64, -1.0, 1.0], 3);
        let grad_out = constant(&[5.0, f64::INFINITY, 7.0], 3);
        let grads = x.relu().unwrap().backward_with(&grad_out).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, 7.0]
        );
    }
}
