//! Multiplication with broadcasting.

use gradus_linalg::Float;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map2, map2, unbroadcast};
use crate::registry::templates::binary_spec;
use crate::registry::{OpSpec, Values};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Mul;

#[derive(Clone, Copy)]
struct Product;

impl Map2 for Product {
    #[inline(always)]
    fn call<T: Float>(self, a: T, b: T) -> T {
        a * b
    }
}

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map2(self.name(), inputs[0], inputs[1], Product)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let grad_in = |i: usize| -> Result<Option<Var>> {
            if !ctx.needs(i) {
                return Ok(None);
            }
            unbroadcast(&grad.mul(&ctx.input(1 - i)?)?, ctx.input_shape(i)).map(Some)
        };
        Ok(vec![grad_in(0)?, grad_in(1)?])
    }
}

impl Var {
    /// Elementwise product: `self · other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out · other` and `grad_out · self`, summed over the dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.mul(&x)?.tensor().to_vec::<f32>()?, [1.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.mul`.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        apply(Mul, &[self, other])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("mul", mul, [Values::REAL; 2], |x, y| x * y)
}
