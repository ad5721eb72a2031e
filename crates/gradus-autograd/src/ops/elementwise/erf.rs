//! The error function.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::{erf_series, unary_spec};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};
use std::f64::consts::FRAC_2_SQRT_PI;

#[derive(Clone, Copy, Debug)]
struct Erf;

impl Function for Erf {
    const NAME: &'static str = "erf";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.erf()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        grad_out * (T::from_f64(FRAC_2_SQRT_PI) * (-(x * x)).exp())
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        grad_out.mul(&x.square()?.neg()?.exp()?.mul_scalar(FRAC_2_SQRT_PI)?)
    }
}

impl Var {
    /// The error function of each element: `2/√π · ∫₀ˣ e^-t² dt`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64.
    ///
    /// # Gradient
    /// `grad_out · 2/√π · e^-x²`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 30.0], [2])?);
    /// assert_eq!(x.erf()?.tensor().to_vec::<f64>()?, [0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.erf`.
    pub fn erf(&self) -> Result<Self> {
        unary(Erf, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("erf", erf, Values::REAL, erf_series)
}
