//! Exponentials less 1.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Expm1;

impl Function for Expm1 {
    const NAME: &'static str = "expm1";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.exp_m1()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, y + T::ONE)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, &y.add_scalar(1.0)?)
    }
}

impl Var {
    /// `e^x - 1` of each element, without loss near 0.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64.
    ///
    /// # Gradient
    /// `grad_out · (y + 1)`. A zero `grad_out` stays 0 where `y` is infinite. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1e-20], [2])?);
    /// assert_eq!(x.expm1()?.tensor().to_vec::<f64>()?, [0.0, 1e-20]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.expm1`.
    pub fn expm1(&self) -> Result<Self> {
        unary(Expm1, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("expm1", expm1, Values::REAL, f64::exp_m1)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_55_keeps_its_digits_near_0() {
        let y = constant(&[1e-10_f32, -3e-8], 2).expm1().unwrap();
        assert_eq!(y.tensor().to_vec::<f32>().unwrap(), [1e-10, -3e-8]);
    }
}
