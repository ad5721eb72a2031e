//! One dim at another place.

use gradus_tensor::{Result, Tensor};

use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct MoveDim {
    from: isize,
    to: isize,
}

impl Op for MoveDim {
    fn name(&self) -> &'static str {
        "movedim"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].movedim(self.from, self.to)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?.movedim(self.to, self.from)?,
        )])
    }
}

impl Var {
    /// Dim `from` at place `to`, the others in their order. A view.
    ///
    /// # Shapes
    /// Any with these dims.
    ///
    /// # Gradient
    /// `grad_out` with the dim moved back. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.movedim(0, 1)?.dims(), [3, 2]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.movedim` with single dims.
    pub fn movedim(&self, from: isize, to: isize) -> Result<Self> {
        apply(MoveDim { from, to }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..24).map(f64::from).collect();
        check_forward(
            |v| v[0].movedim(0, -1),
            &[tensor(&x, [2, 3, 4])],
            &[
                0.0, 12.0, 1.0, 13.0, 2.0, 14.0, 3.0, 15.0, 4.0, 16.0, 5.0, 17.0, 6.0, 18.0, 7.0,
                19.0, 8.0, 20.0, 9.0, 21.0, 10.0, 22.0, 11.0, 23.0,
            ],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].movedim(0, -1)?.square(), &[sampled(&[2, 3, 4], 1)]);
        check_gradient(|v| v[0].movedim(0, -1), &[sampled(&[2, 3, 4], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].movedim(0, -1), &[sampled(&[2, 3, 4], 1)]);
        check_empty(|v| v[0].movedim(0, 1), &[&[0, 3]]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).movedim(0, 2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).movedim(-3, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn a_dim_moved_into_the_middle_comes_back() {
        check_gradient(
            |v| v[0].movedim(0, 1)?.square(),
            &[sampled(&[2, 3, 2, 2], 1)],
        );
        check_gradient(
            |v| v[0].movedim(3, 1)?.square(),
            &[sampled(&[2, 3, 2, 2], 1)],
        );
    }
}
