//! Hard sigmoid.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Hardsigmoid;

impl Function for Hardsigmoid {
    const NAME: &'static str = "hardsigmoid";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        (x + T::from_f64(3.0))
            .maximum(T::ZERO)
            .minimum(T::from_f64(6.0))
            / T::from_f64(6.0)
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x.abs() < T::from_f64(3.0) {
            grad_out / T::from_f64(6.0)
        } else {
            T::ZERO
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// A piecewise linear form of [`Var::sigmoid`]: `relu6(x + 3) / 6`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Two roundings. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out / 6` between -3 and 3, else 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.hardsigmoid`.
    pub fn hardsigmoid(&self) -> Result<Self> {
        unary(Hardsigmoid, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "hardsigmoid",
        hardsigmoid,
        Values::between(-5.0, 5.0).away(&[-3.0, 3.0]),
        |x| (x + 3.0).clamp(0.0, 6.0) / 6.0
    )
    .kinked()
}
