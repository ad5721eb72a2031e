//! Elements in row-major order in memory.

use gradus_tensor::{Result, Tensor};

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

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..6).map(f64::from).collect();
        check_forward(
            |v| v[0].contiguous(),
            &[tensor(&x, [2, 3])],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].contiguous()?.square(), &[sampled(&[2, 3], 1)]);
        check_gradient(|v| v[0].contiguous(), &[sampled(&[2, 3], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].contiguous(), &[sampled(&[2, 3], 1)]);
        check_empty(|v| v[0].contiguous(), &[&[0, 3]]);
    }

    #[test]
    fn rejects_nothing_but_gradients_of_integers() {
        // Every dtype and layout is taken; what is refused is a gradient of integers.
        let x = integers().transpose(0, 0).unwrap().contiguous().unwrap();
        assert!(!x.requires_grad() && x.backward_with(&integers()).is_err());
    }
}
