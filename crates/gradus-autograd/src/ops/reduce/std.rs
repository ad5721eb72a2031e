//! Standard deviations over dims.

use super::var::{moment_spec, variances};
use crate::ops::support::{is_positive, scalar_like};
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The standard deviation over `dims`, or over all if `dims` is empty: the root of [`Var::var`].
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// As [`Var::var`]; PyTorch's default `correction` is 1. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · (x - mean) / (std · (count - correction))`, and 0 where all elements are equal: there the derivative does
    /// not exist, and PyTorch gives NaN. Saves input and result.
    ///
    /// # Errors
    /// As [`Var::var`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 3.0, 5.0], [3])?);
    /// assert_eq!(x.std(&[], 1, false)?.item::<f32>()?, 2.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.std`.
    pub fn std(&self, dims: &[isize], correction: impl Into<f64>, keepdim: bool) -> Result<Self> {
        root(&self.var(dims, correction, keepdim)?)
    }
}

/// The root of a variance.
pub(super) fn root(var: &Var) -> Result<Var> {
    let differ = is_positive(var.tensor())?;
    if !differ.to_vec::<bool>()?.contains(&false) {
        return var.sqrt();
    }
    // The root's derivative is infinite at 0: a variance of 0 (or NaN) goes round it.
    let root = var.where_(&differ, &scalar_like(var, 1.0)?)?.sqrt()?;
    root.where_(&differ, var)
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    moment_spec(
        "std",
        |a| {
            let (dims, correction) = (a.isizes("dim")?, a.float("correction")?);
            Ok(one(a.var("x")?.std(
                &dims,
                correction,
                a.flag("keepdim")?,
            )?))
        },
        |a| Ok(vec![variances(a)?.map(f64::sqrt)]),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_14_a_constant_has_gradient_0() {
        let x = leaf(&[3.0_f64, 3.0, 1.0, 3.0], [2, 2]);
        let y = x.std(&[1], 0, false).unwrap();
        assert_eq!(values(&y), [0.0, 1.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 0.0, -0.5, 0.5]
        );
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).std(&[2], 1, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.std(&[], 1, false));
    }
}
