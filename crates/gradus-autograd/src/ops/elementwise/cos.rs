//! Cosines.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Cos;

impl Function for Cos {
    const NAME: &'static str = "cos";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.cos()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        -(grad_out * x.sin())
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        grad_out.mul(&x.sin()?.neg()?)
    }
}

impl Var {
    /// The cosine of each element, in radians.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact range reduction at any size; 1 ULP. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out · sin(x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, std::f64::consts::PI], [2])?);
    /// assert_eq!(x.cos()?.tensor().to_vec::<f64>()?, [1.0, -1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.cos`.
    pub fn cos(&self) -> Result<Self> {
        unary(Cos, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("cos", cos, Values::between(-20.0, 20.0), f64::cos)
}
