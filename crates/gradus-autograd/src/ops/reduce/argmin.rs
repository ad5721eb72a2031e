//! The index of the smallest element.

use crate::ops::support::extremum::{Extreme, arg_extremum, arg_reference, arg_spec, smallest};
use crate::registry::OpSpec;
use crate::registry::templates::plain;
use crate::{Result, Tensor, Var};

impl Var {
    /// The index of the smallest element along `dim`, or in row-major order among all if it is `None`: an i64 tensor.
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
    /// assert_eq!(x.argmin(Some(1), false)?.to_vec::<i64>()?, [0, 1]);
    /// assert_eq!(x.argmin(None, false)?.item::<i64>()?, 0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.argmin`.
    pub fn argmin(&self, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
        arg_extremum("argmin", Extreme::Smallest, self, dim, keepdim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    arg_spec(
        "argmin",
        |a| {
            let dim = a.opt("dim", |a, name| a.isize(name))?;
            Ok(plain(a.var("x")?.argmin(dim, a.flag("keepdim")?)?))
        },
        |a| arg_reference(a, smallest),
    )
}

#[cfg(test)]
mod tests {
    use crate::Var;
    use crate::ops::support::testing::*;

    fn indices(x: &Var, dim: Option<isize>) -> Vec<i64> {
        x.argmin(dim, false).unwrap().to_vec().unwrap()
    }

    #[test]
    fn museum_45_54_the_first_of_equal_ones_and_the_first_nan() {
        let x = constant(&[1.0, -5.0, -5.0, -1.0, f64::NAN, -9.0], [2, 3]);
        assert_eq!(indices(&x, Some(1)), [1, 1]);
        assert_eq!(indices(&x, Some(0)), [1, 1, 1]);
        assert_eq!(indices(&x, None), [4]);
    }

    #[test]
    fn rejects_no_elements_and_bad_dims() {
        let x = Var::constant(sampled(&[3, 0], 1));
        for dim in [None, Some(1)] {
            let got = x.argmin(dim, false);
            assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        }
        assert!(matches!(
            x.argmin(Some(2), false),
            Err(crate::Error::Axis { .. })
        ));
        assert!(matches!(
            integers().argmin(None, false),
            Err(crate::Error::DType { .. })
        ));
    }
}
