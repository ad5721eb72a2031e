//! Elements in row-major order in memory.

use gradus_tensor::{Result, Tensor};

use crate::registry::templates::draw_x;
use crate::registry::{Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Contiguous;

impl Op for Contiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].contiguous()?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?)])
    }
}

impl Var {
    /// The same values in row-major order in memory; shares the storage if they already are.
    ///
    /// Ops take any strides, so this is only for speed: when a strided value is read many times.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// let y = x.transpose(0, 1)?.contiguous()?;
    /// assert!(y.tensor().is_contiguous());
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.contiguous`.
    pub fn contiguous(&self) -> Result<Self> {
        apply(Contiguous, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("contiguous", |a| Ok(one(a.var("x")?.contiguous()?)))
        .input("x", Kind::Any)
        .reference(|a| Ok(vec![a.dense("x")?]))
        .draw(|d| draw_x(d, Values::REAL))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_nothing_but_gradients_of_integers() {
        // Every dtype and layout is taken; what is refused is a gradient of integers.
        let x = integers().transpose(0, 0).unwrap().contiguous().unwrap();
        assert!(!x.requires_grad() && x.backward_with(&integers()).is_err());
    }
}
