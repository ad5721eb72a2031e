//! Exponentials.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Exp;

impl Function for Exp {
    const NAME: &'static str = "exp";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.exp()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        chain(grad_out, y)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        chain_var(grad_out, y)
    }
}

impl Var {
    /// The exponential of each element: `e^x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64; overflows to ∞, underflows to 0.
    ///
    /// # Gradient
    /// `grad_out · y`. A zero `grad_out` stays 0 where `y` is infinite. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, -1000.0], [2])?);
    /// assert_eq!(x.exp()?.tensor().to_vec::<f64>()?, [1.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.exp`.
    pub fn exp(&self) -> Result<Self> {
        unary(Exp, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("exp", exp, Values::REAL, f64::exp)
}
