//! The index of the largest element.

use gradus_linalg::reduce_arg;

use crate::ops::support::extremum::refuse_nothing;
use crate::ops::support::with_float;
use crate::{Result, Tensor, Var};

impl Var {
    /// The index of the largest element along `dim`, or in row-major order among all if it is `None`: an i64 tensor.
    ///
    /// # Shapes
    /// `dim` (or all) disappears, or stays with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Of equal elements the first, and the first NaN before all numbers. f32 or f64.
    ///
    /// # Gradient
    /// None: an index is no function that can be differentiated, so the result is a plain [`Tensor`].
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Argument`] if there are no elements to choose from;
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 4.0, 3.0], [2, 2])?);
    /// assert_eq!(x.argmax(Some(1), false)?.to_vec::<i64>()?, [1, 0]);
    /// assert_eq!(x.argmax(None, false)?.item::<i64>()?, 2);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.argmax`.
    pub fn argmax(&self, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
        let axes = match dim {
            Some(dim) => vec![self.shape().axis("argmax", dim)?],
            None => (0..self.rank()).collect(),
        };
        refuse_nothing("argmax", self.shape(), &axes)?;
        with_float!(self.dtype(), "argmax", T => {
            let view = self.tensor().view::<T>()?;
            Tensor::build(self.shape().reduced(&axes, keepdim), |dst: &mut [i64]| {
                reduce_arg::argmax(dst, view, &axes);
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Var;
    use crate::ops::support::testing::*;

    fn indices(x: &Var, dim: Option<isize>) -> Vec<i64> {
        x.argmax(dim, false).unwrap().to_vec().unwrap()
    }

    #[test]
    fn forward_matches_reference() {
        let x = constant(&[1.0, 5.0, 5.0, -1.0, f64::NAN, 9.0], [2, 3]);
        assert_eq!(indices(&x, Some(1)), [1, 1]);
        assert_eq!(indices(&x, Some(0)), [0, 1, 1]);
        assert_eq!(indices(&x, None), [4]);
        assert_eq!(x.argmax(None, true).unwrap().dims(), [1, 1]);
        assert_eq!(indices(&constant(&[7.0_f32], ()), None), [0]);
    }

    /// There is none: the result is off the tape by its type.
    #[test]
    fn gradient_matches_finite_difference() {
        let x = leaf(&[1.0_f64, 2.0], 2);
        assert!(!Var::constant(x.argmax(None, false).unwrap()).requires_grad());
    }

    #[test]
    fn accepts_strided_views() {
        for (layout, strided) in layouts(&sampled(&[3, 4, 2], 1), f64::NAN) {
            let contiguous = Var::constant(strided.deep_copy().unwrap());
            let strided = Var::constant(strided);
            for dim in [None, Some(0), Some(1), Some(2)] {
                assert_eq!(
                    indices(&strided, dim),
                    indices(&contiguous, dim),
                    "{layout} {dim:?}"
                );
            }
        }
        assert_eq!(
            indices(&Var::constant(sampled(&[0, 3], 1)), Some(1)),
            [0_i64; 0]
        );
    }

    #[test]
    fn rejects_no_elements_and_bad_dims() {
        let x = Var::constant(sampled(&[3, 0], 1));
        for dim in [None, Some(1)] {
            let got = x.argmax(dim, false);
            assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        }
        assert!(matches!(
            x.argmax(Some(2), false),
            Err(crate::Error::Axis { .. })
        ));
        assert!(matches!(
            integers().argmax(None, false),
            Err(crate::Error::DType { .. })
        ));
    }
}
