//! Natural logarithms of 1 + x.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Log1p;

impl Function for Log1p {
    const NAME: &'static str = "log1p";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.ln_1p()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        chain(grad_out, (T::ONE + x).recip())
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        chain_var(grad_out, &x.add_scalar(1.0)?.reciprocal()?)
    }
}

impl Var {
    /// `ln(1 + x)` of each element, without loss near 0.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64; -∞ at -1, NaN below.
    ///
    /// # Gradient
    /// `grad_out / (1 + x)`. A zero `grad_out` stays 0 at -1. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1e-20], [2])?);
    /// assert_eq!(x.log1p()?.tensor().to_vec::<f64>()?, [0.0, 1e-20]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.log1p`.
    pub fn log1p(&self) -> Result<Self> {
        unary(Log1p, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("log1p", log1p, Values::between(-0.8, 3.0), f64::ln_1p)
}
