//! Addition with broadcasting.

use gradus_linalg::{Float, elementwise};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map2, map2, same_dtype, unbroadcast, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Add;

#[derive(Clone, Copy)]
struct Sum;

impl Map2 for Sum {
    #[inline(always)]
    fn call<T: Float>(self, a: T, b: T) -> T {
        a + b
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map2(self.name(), inputs[0], inputs[1], Sum)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let grad_in = |i| {
            ctx.needs(i)
                .then(|| unbroadcast(&grad, ctx.input_shape(i)))
                .transpose()
        };
        Ok(vec![grad_in(0)?, grad_in(1)?])
    }
}

impl Var {
    /// Elementwise sum: `self + other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` for both, summed over the dims in which an operand was expanded. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[10.0_f32], [1])?);
    /// assert_eq!(x.add(&y)?.tensor().to_vec::<f32>()?, [11.0, 12.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.add` with `alpha=1`.
    pub fn add(&self, other: &Self) -> Result<Self> {
        apply(Add, &[self, other])
    }
}

/// `sum += grad` for tensors of one shape, in place if nobody else holds `sum`.
pub(crate) fn add_assign(sum: &mut Tensor, grad: &Tensor) -> Result<()> {
    same_dtype("add", sum, grad)?;
    let shape = *sum.shape();
    with_float!(grad.dtype(), "add", T => {
        let grad = grad.view::<T>()?.broadcast("add", &shape)?;
        elementwise::update1(sum.make_mut::<T>()?, grad, #[inline(always)] |sum: T, grad: T| sum + grad);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_pair(|a, b| a.add(b), |a, b| a + b);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_pair_gradient(|a, b| a.add(b));
    }

    #[test]
    fn accepts_strided_views() {
        check_pair_layouts(|a, b| a.add(b));
    }

    #[test]
    fn rejects_operands_that_do_not_fit() {
        check_pair_rejects(|a, b| a.add(b));
    }
}
