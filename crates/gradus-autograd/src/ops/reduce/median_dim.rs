//! Medians along a dim.

use gradus_linalg::sort;
use gradus_tensor::Tensor;

use crate::ops::support::extremum::{along_dim_reference, along_dim_spec};
use crate::ops::support::lanes::one_of_each;
use crate::ops::support::order::{keys_along, naive_order};
use crate::registry::OpSpec;
use crate::{Result, Var};

impl Var {
    /// The median along `dim`, the lower one of two, and its index, an i64 tensor.
    ///
    /// # Shapes
    /// `dim` disappears from both, or stays with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Exact; NaN, the first, if an element is NaN. Of equal elements the one that a stable sort puts there. Any dtype.
    ///
    /// # Gradient
    /// All of `grad_out` to the element at the index.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Argument`] if it has no elements to choose from.
    ///
    /// As `torch.median` with a dim.
    pub fn median_dim(&self, dim: isize, keepdim: bool) -> Result<(Self, Tensor)> {
        one_of_each("median_dim", self, dim, keepdim, |x, axis| {
            let keys = keys_along(x, axis)?;
            keys.one_each(axis, |dst, from| {
                sort::median(dst, from, keys.cols, keys.nan, false)
            })
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    along_dim_spec(
        "median_dim",
        |a| {
            let (values, indices) = a
                .var("x")?
                .median_dim(a.isize("dim")?, a.flag("keepdim")?)?;
            Ok(vec![values, Var::constant(indices)])
        },
        |a| along_dim_reference(a, |x| x[naive_order(x, false)[(x.len() - 1) / 2]]),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_nan_is_stated() {
        let x = constant(
            &[
                1.0,
                f64::NAN,
                3.0,
                2.0,
                9.0,
                2.0,
                f64::NAN,
                f64::NAN,
                f64::NAN,
            ],
            [3, 3],
        );
        let (_, at) = x.median_dim(1, false).unwrap();
        assert_eq!(at.to_vec::<i64>().unwrap(), [1, 2, 0]);
        let (y, at) = constant(&[3_i64, 3, 1], 3).median_dim(0, true).unwrap();
        assert_eq!(
            (values(&y), at.to_vec::<i64>().unwrap()),
            (vec![3.0], vec![0])
        );
    }

    #[test]
    fn rejects_no_elements_and_bad_dims() {
        let x = constant::<f64>(&[], [2, 0]);
        let got = x.median_dim(1, false);
        assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        let got = x.median_dim(2, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
