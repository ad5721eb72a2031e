//! Sigmoid linear units.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Silu;

impl Function for Silu {
    const NAME: &'static str = "silu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.silu()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let gate = x.sigmoid();
        grad_out * (gate * (T::ONE + x * (T::ONE - gate)))
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let gate = x.sigmoid()?;
        let rest = gate.neg()?.add_scalar(1.0)?.mul(x)?.add_scalar(1.0)?;
        grad_out.mul(&gate.mul(&rest)?)
    }
}

impl Var {
    /// The sigmoid linear unit, also called swish: `x · sigmoid(x)`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 0.51 ULP in f32, also in the left tail; NaN at -∞, as `-∞ · 0` is. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · s · (1 + x · (1 - s))` with `s = sigmoid(x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0, -1000.0], [3])?);
    /// assert_eq!(x.silu()?.tensor().to_vec::<f64>()?, [0.0, 1000.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.silu`. Elfwing et al. 2017, arXiv:1702.03118.
    pub fn silu(&self) -> Result<Self> {
        unary(Silu, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("silu", silu, Values::REAL, |x| x / (1.0 + (-x).exp()))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_18_gradient_at_0_is_a_half() {
        let x = leaf(&[0.0_f64, 1000.0, -1000.0], 3);
        let grads = x
            .silu()
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.5, 1.0, 0.0]
        );
    }
}
