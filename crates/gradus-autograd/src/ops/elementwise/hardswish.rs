//! Hard swish.

use gradus_linalg::Float;

use crate::ops::support::lean::{mask, passed};
use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Hardswish;

impl Function for Hardswish {
    const NAME: &'static str = "hardswish";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        let gate = (x + T::from_f64(3.0))
            .maximum(T::ZERO)
            .minimum(T::from_f64(6.0));
        x * gate / T::from_f64(6.0)
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let three = T::from_f64(3.0);
        let inner = grad_out * (x / three + T::HALF);
        let outer = if x >= three { grad_out } else { inner };
        if x <= -three { T::ZERO } else { outer }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let inner = grad_out.mul(&x.mul_scalar(1.0 / 3.0)?.add_scalar(0.5)?)?;
        let above = mask(x.tensor(), [0.0; 3], |x, _| x >= 3.0)?;
        passed(&grad_out.where_(&above, &inner)?, x, [0.0; 3], |x, _| {
            x > -3.0 || x.is_nan()
        })
    }
}

impl Var {
    /// A piecewise form of [`Var::silu`]: `x · relu6(x + 3) / 6`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Two roundings. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (x/3 + 1/2)` between -3 and 3, 0 up to -3, `grad_out` from 3 on. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.hardswish`.
    pub fn hardswish(&self) -> Result<Self> {
        unary(Hardswish, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!(
        "hardswish",
        hardswish,
        Values::between(-5.0, 5.0).away(&[-3.0, 3.0]),
        |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0
    )
    .kinked()
}
