//! Expansion to a larger shape without copying.

use gradus_tensor::{IntoShape, Result, Shape, Tensor};

use crate::ops::support::unbroadcast;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Expand {
    shape: Shape,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].expand(self.shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(unbroadcast(
            &ctx.grad(grad_out, 0)?,
            ctx.input_shape(0),
        )?)])
    }
}

impl Var {
    /// Expanded to a larger shape without copying: new dims in front and dims of size 1 repeat.
    ///
    /// # Shapes
    /// `shape` must be one that `self` broadcasts to.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the repeated dims. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if another dim would have to change.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2, 1])?);
    /// assert_eq!(x.expand([2, 3])?.tensor().to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.expand`.
    pub fn expand(&self, shape: impl IntoShape) -> Result<Self> {
        apply(
            Expand {
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
            |v| v[0].expand([2, 2, 3]),
            &[tensor(&[1.0, 2.0], [2, 1])],
            &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0].repeat(2),
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(
            |v| v[0].expand([2, 2, 3])?.square(),
            &[tensor(&[1.0, 2.0], [2, 1])],
        );
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].expand([4, 2, 3]), &[tensor(&BOTH_SIGNS, [2, 3])]);
        check_layouts(|v| v[0].expand([4, 2]), &[tensor(&BOTH_SIGNS[..1], ())]);
        check_empty(|v| v[0].expand([0, 3]), &[&[1, 3]]);
    }

    #[test]
    fn rejects_a_shape_that_does_not_fit() {
        let got = constant(&BOTH_SIGNS, [2, 3]).expand([2, 6]);
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
