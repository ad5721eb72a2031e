//! Reshaping.

use gradus_tensor::{IntoShape, Result, Shape, Tensor};

use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Reshape {
    shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].reshape(self.shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?.reshape(ctx.input_shape(0))?,
        )])
    }
}

impl Var {
    /// The same elements, in row-major order, in another shape. A view where the strides allow one, else a copy.
    ///
    /// # Shapes
    /// Any with as many elements.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if the number of elements differs.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?);
    /// assert_eq!(x.reshape([2, 3])?.dims(), [2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.reshape` without `-1`.
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Self> {
        apply(
            Reshape {
                shape: shape.into_shape()?,
            },
            &[self],
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_forward(
            |v| v[0].reshape([3, 2]),
            &[tensor(&BOTH_SIGNS, [2, 3])],
            &BOTH_SIGNS,
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(
            |v| v[0].reshape([3, 2])?.square(),
            &[tensor(&BOTH_SIGNS, [2, 3])],
        );
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].reshape([3, 1, 2]), &[tensor(&BOTH_SIGNS, [2, 3])]);
        check_layouts(|v| v[0].reshape([1, 1]), &[tensor(&BOTH_SIGNS[..1], ())]);
        check_empty(|v| v[0].reshape([7, 0]), &[&[0, 3]]);
    }

    #[test]
    fn rejects_another_number_of_elements() {
        let got = constant(&BOTH_SIGNS, [2, 3]).reshape([2, 2]);
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
