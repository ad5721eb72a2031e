//! Elements in reverse order.

use gradus_tensor::{Result, Tensor};

use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Flip {
    dims: Vec<isize>,
}

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].flip(&self.dims)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?.flip(&self.dims)?)])
    }
}

impl Var {
    /// The order of elements turned round in each of the given dims. Unlike PyTorch's, a view.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `grad_out` turned round in the same dims. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.flip(&[1])?.tensor().to_vec::<f32>()?, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.flip`.
    pub fn flip(&self, dims: &[isize]) -> Result<Self> {
        let dims = dims.to_vec();
        apply(Flip { dims }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        check_forward(
            |v| v[0].flip(&[0, -1]),
            &[tensor(&x, [2, 2, 3])],
            &[8.0, 7.0, 6.0, 11.0, 10.0, 9.0, 2.0, 1.0, 0.0, 5.0, 4.0, 3.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].flip(&[0, -1])?.square(), &[sampled(&[2, 2, 3], 1)]);
        check_gradient(|v| v[0].flip(&[0, -1]), &[sampled(&[2, 2, 3], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].flip(&[0, -1]), &[sampled(&[2, 2, 3], 1)]);
        check_empty(|v| v[0].flip(&[0, 1]), &[&[0, 3]]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).flip(&[2]);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).flip(&[0, -2]);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn no_dims_leave_all_in_place() {
        let x = constant(&BOTH_SIGNS, 6);
        assert_eq!(values(&x.flip(&[]).unwrap()), BOTH_SIGNS);
    }
}
