//! One position of a dim.

use crate::{Result, Var};

impl Var {
    /// Position `index` of `dim`, which disappears. A view.
    ///
    /// # Shapes
    /// The input's without `dim`.
    ///
    /// # Gradient
    /// `grad_out` at this position, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::IndexOutOfRange`] if `index` is.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.select(0, 1)?.tensor().to_vec::<f32>()?, [4.0, 5.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.select`.
    pub fn select(&self, dim: isize, index: usize) -> Result<Self> {
        let shape = *self.tensor().select(dim, index)?.shape(); // refuses what is outside, by its own name
        self.narrow(dim, index, 1)?.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        check_forward(
            |v| v[0].select(1, 2),
            &[tensor(&x, [2, 3, 2])],
            &[4.0, 5.0, 10.0, 11.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].select(1, 2)?.square(), &[sampled(&[2, 3, 2], 1)]);
        check_gradient(|v| v[0].select(1, 2), &[sampled(&[2, 3, 2], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].select(1, 2), &[sampled(&[2, 3, 2], 1)]);
        check_empty(|v| v[0].select(1, 0), &[&[0, 3]]);
    }

    #[test]
    fn rejects_an_index_that_is_outside() {
        let got = constant(&BOTH_SIGNS, [2, 3]).select(1, 3);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).select(2, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
