//! Negation.

use gradus_linalg::Float;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map1, map1};
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Clone, Copy, Debug)]
struct Neg;

impl Map1 for Neg {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        -x
    }
}

impl Op for Neg {
    fn name(&self) -> &'static str {
        "neg"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map1(self.name(), inputs[0], *self)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?.neg()?)])
    }
}

impl Var {
    /// Each element with its sign changed: `-x`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, -2.0], [2])?);
    /// assert_eq!(x.neg()?.tensor().to_vec::<f32>()?, [-1.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.neg`.
    pub fn neg(&self) -> Result<Self> {
        apply(Neg, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("neg", neg, Values::REAL, |x| -x)
}
