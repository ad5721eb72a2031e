//! A dim of size 1 taken away.

use crate::{Result, Var};

impl Var {
    /// Without `dim`, if it is of size 1; else unchanged. A view.
    ///
    /// # Shapes
    /// The input's, without `dim` if its size is 1.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.unsqueeze(1)?.squeeze(1)?.dims(), [2, 3]);
    /// assert_eq!(x.squeeze(1)?.dims(), [2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.squeeze` with one dim.
    pub fn squeeze(&self, dim: isize) -> Result<Self> {
        let shape = *self.tensor().squeeze(dim)?.shape();
        self.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..6).map(f64::from).collect();
        check_forward(
            |v| v[0].squeeze(1),
            &[tensor(&x, [2, 1, 3])],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].squeeze(1)?.square(), &[sampled(&[2, 1, 3], 1)]);
        check_gradient(|v| v[0].squeeze(1), &[sampled(&[2, 1, 3], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].squeeze(1), &[sampled(&[2, 1, 3], 1)]);
        check_empty(|v| v[0].squeeze(0), &[&[1, 0]]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).squeeze(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
