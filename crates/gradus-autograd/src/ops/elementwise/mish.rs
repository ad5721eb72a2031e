//! Mish.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

/// `tanh(ln(1 + e^x))`
#[inline(always)]
fn gate<T: Float>(x: T) -> T {
    let e = x.minimum(T::from_f64(20.0)).exp();
    let n = e * (e + T::TWO);
    n / (n + T::TWO)
}

#[derive(Clone, Copy, Debug)]
struct Mish;

impl Function for Mish {
    const NAME: &'static str = "mish";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x * gate(x)
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let t = gate(x);
        grad_out * (t + x * x.sigmoid() * (T::ONE - t * t))
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let t = x.softplus(1.0, 20.0)?.tanh()?;
        let bend = t.square()?.neg()?.add_scalar(1.0)?;
        grad_out.mul(&x.mul(&x.sigmoid()?)?.mul(&bend)?.add(&t)?)
    }
}

impl Var {
    /// `x · tanh(softplus(x))`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// With one exponential: `tanh(ln(1 + e^x)) = n / (n + 2)`, `n = e^x (e^x + 2)`; from 20 on it is `x`. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (t + x · sigmoid(x) · (1 - t²))` with `t = tanh(softplus(x))`. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.mish`. Misra 2019, arXiv:1908.08681.
    pub fn mish(&self) -> Result<Self> {
        unary(Mish, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("mish", mish, Values::REAL, |x| x
        * (1.0 + x.exp()).ln().tanh())
}
