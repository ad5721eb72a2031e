//! The largest element along a dim with its index, the first of equal ones.

use crate::ops::support::extremum::{
    Extreme, along_dim_reference, along_dim_spec, extremum_along, largest,
};
use crate::registry::OpSpec;
use crate::{Result, Tensor, Var};

impl Var {
    /// The largest element along `dim` and its index, an i64 tensor.
    ///
    /// # Shapes
    /// `dim` disappears from both, or stays with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Exact. Of equal elements the first is taken, and the first NaN before all numbers. f32 or f64.
    ///
    /// # Gradient
    /// All of `grad_out` to the element at the index; [`Var::amax`] shares it among equal ones. Saves the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Argument`] if it has no elements to choose from;
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 4.0, 3.0], [2, 2])?);
    /// let (values, indices) = x.max_dim(1, false)?;
    /// assert_eq!(values.tensor().to_vec::<f32>()?, [2.0, 4.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.max` with a dim.
    pub fn max_dim(&self, dim: isize, keepdim: bool) -> Result<(Self, Tensor)> {
        extremum_along("max_dim", Extreme::Largest, self, dim, keepdim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    along_dim_spec(
        "max_dim",
        |a| {
            let (values, indices) = a.var("x")?.max_dim(a.isize("dim")?, a.flag("keepdim")?)?;
            Ok(vec![values, Var::constant(indices)])
        },
        |a| along_dim_reference(a, largest),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_19_the_first_of_equal_ones_takes_the_gradient() {
        let x = leaf(&[1.0, 3.0, 3.0], [1, 3]);
        let (value, index) = x.max_dim(1, false).unwrap();
        assert_eq!(
            (value.item::<f64>().unwrap(), index.item::<i64>().unwrap()),
            (3.0, 1)
        );
        let grads = value.backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 1.0, 0.0]
        );
    }

    #[test]
    fn rejects_no_elements_and_bad_dims() {
        let x = crate::Var::constant(sampled(&[3, 0], 1));
        let got = x.max_dim(1, false);
        assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        let got = x.max_dim(2, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| Ok(x.max_dim(0, false)?.0));
    }
}
