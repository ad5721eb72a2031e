//! Cosines.

use gradus_linalg::trig;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::with_float;
use crate::registry::templates::unary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Cos;

impl Op for Cos {
    fn name(&self) -> &'static str {
        "cos"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => {
            let view = x.view::<T>()?;
            Ok(Tensor::build(x.shape(), |dst: &mut [T]| trig::cos(dst, view))?.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, x) = (ctx.grad(grad_out, 0)?, ctx.input(0)?);
        Ok(vec![Some(grad.mul(&x.sin()?)?.neg()?)])
    }
}

impl Var {
    /// The cosine of each element, in radians.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// At most 0.53 ULP in f32, 1 in f64, with exact range reduction at any size.
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
        apply(Cos, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unary_spec!("cos", cos, Values::between(-20.0, 20.0), f64::cos)
}
