//! Natural logarithms.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Log;

impl Function for Log {
    const NAME: &'static str = "log";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.ln()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        chain(grad_out, x.recip())
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        chain_var(grad_out, &x.reciprocal()?)
    }
}

impl Var {
    /// The natural logarithm of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64; -∞ at 0, NaN below.
    ///
    /// # Gradient
    /// `grad_out / x`. A zero `grad_out` stays 0 at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, std::f64::consts::E], [2])?);
    /// assert_eq!(x.log()?.tensor().to_vec::<f64>()?, [0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.log`.
    pub fn log(&self) -> Result<Self> {
        unary(Log, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("log", log, Values::POSITIVE, f64::ln)
}
