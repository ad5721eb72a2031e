//! A new dim of size 1.

use crate::{Result, Var};

impl Var {
    /// With a new dim of size 1 at `dim`, in `-rank - 1..=rank`. A view.
    ///
    /// # Shapes
    /// The input's, with a 1 at `dim`.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.unsqueeze(0)?.dims(), [1, 2, 3]);
    /// assert_eq!(x.unsqueeze(-1)?.dims(), [2, 3, 1]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.unsqueeze`.
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        let shape = *self.tensor().unsqueeze(dim)?.shape();
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
            |v| v[0].unsqueeze(1),
            &[tensor(&x, [2, 3])],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].unsqueeze(1)?.square(), &[sampled(&[2, 3], 1)]);
        check_gradient(|v| v[0].unsqueeze(1), &[sampled(&[2, 3], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].unsqueeze(1), &[sampled(&[2, 3], 1)]);
        check_empty(|v| v[0].unsqueeze(-1), &[&[0, 3]]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).unsqueeze(3);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).unsqueeze(-4);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn museum_40_dims_of_size_1_with_odd_strides() {
        let x = constant(&BOTH_SIGNS, [2, 3])
            .transpose(0, 1)
            .unwrap()
            .unsqueeze(1)
            .unwrap();
        assert_eq!(values(&x.sum(&[1], false).unwrap()), values(&x));
    }
}
