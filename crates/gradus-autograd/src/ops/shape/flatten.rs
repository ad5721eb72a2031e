//! Neighbouring dims as one.

use crate::{Result, Var};

impl Var {
    /// Dims `start..=end` as one, in row-major order. A view where the strides allow one, else a copy.
    ///
    /// # Shapes
    /// The dims between become one of their product; `flatten(0, -1)` gives rank 1, also from rank 0.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or `start` lies behind `end`.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.flatten(0, -1)?.dims(), [6]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.flatten`.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Self> {
        let shape = *self.tensor().flatten(start, end)?.shape();
        self.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        check_forward(
            |v| v[0].flatten(1, -1),
            &[tensor(&x, [2, 3, 2])],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(|v| v[0].flatten(1, -1)?.square(), &[sampled(&[2, 3, 2], 1)]);
        check_gradient(|v| v[0].flatten(1, -1), &[sampled(&[2, 3, 2], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].flatten(1, -1), &[sampled(&[2, 3, 2], 1)]);
        check_empty(|v| v[0].flatten(0, -1), &[&[0, 3]]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).flatten(0, 2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).flatten(1, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
