//! Sines.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Sin;

impl Function for Sin {
    const NAME: &'static str = "sin";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.sin()
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        grad_out * x.cos()
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        grad_out.mul(&x.cos()?)
    }
}

impl Var {
    /// The sine of each element, in radians.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact range reduction at any size; 1 ULP. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · cos(x)`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, std::f64::consts::FRAC_PI_2], [2])?);
    /// assert_eq!(x.sin()?.tensor().to_vec::<f64>()?, [0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sin`.
    pub fn sin(&self) -> Result<Self> {
        unary(Sin, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("sin", sin, Values::between(-20.0, 20.0), f64::sin)
}
