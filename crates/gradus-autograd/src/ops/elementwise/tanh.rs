//! Hyperbolic tangents.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Tanh;

impl Function for Tanh {
    const NAME: &'static str = "tanh";
    const KEEPS: Keeps = Keeps::Output;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.tanh()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, y: T) -> T {
        grad_out * (T::ONE - y * y)
    }

    fn grad_var(self, grad_out: &Var, y: &Var) -> Result<Var> {
        grad_out.mul(&y.square()?.neg()?.add_scalar(1.0)?)
    }
}

impl Var {
    /// The hyperbolic tangent of each element.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 1.5 ULP in f32, 1 in f64.
    ///
    /// # Gradient
    /// `grad_out · (1 - y²)`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0], [2])?);
    /// assert_eq!(x.tanh()?.tensor().to_vec::<f64>()?, [0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.tanh`.
    pub fn tanh(&self) -> Result<Self> {
        unary(Tanh, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("tanh", tanh, Values::REAL, f64::tanh)
}
