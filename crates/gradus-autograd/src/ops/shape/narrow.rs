//! A range of a dim.

use crate::{Result, Var};

impl Var {
    /// Positions `start..start + len` of `dim`. A view.
    ///
    /// # Shapes
    /// `dim` gets size `len`; the rest stays.
    ///
    /// # Gradient
    /// `grad_out` at these positions, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::IndexOutOfRange`] if the range is.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.narrow(1, 1, 2)?.tensor().to_vec::<f32>()?, [2.0, 3.0, 5.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.narrow`.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Self> {
        let axis = self.shape().axis("narrow", dim)?;
        self.tensor().narrow(dim, start, len)?; // refuses what is outside, by its own name
        self.slice(axis as isize, start as isize, (start + len) as isize, 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        check_forward(
            |v| v[0].narrow(1, 1, 2),
            &[tensor(&x, [2, 3, 2])],
            &[2.0, 3.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(
            |v| v[0].narrow(1, 1, 2)?.square(),
            &[sampled(&[2, 3, 2], 1)],
        );
        check_gradient(|v| v[0].narrow(1, 1, 2), &[sampled(&[2, 3, 2], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].narrow(1, 1, 2), &[sampled(&[2, 3, 2], 1)]);
        check_empty(|v| v[0].narrow(0, 0, 0), &[&[0, 3]]);
    }

    #[test]
    fn rejects_a_range_that_is_outside() {
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(1, 2, 2);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(1, usize::MAX, 2);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(2, 0, 1);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
