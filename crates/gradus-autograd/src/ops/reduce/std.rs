//! Standard deviations over dims.

use crate::ops::support::{is_positive, scalar_like};
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
    pub fn std(&self, dims: &[isize], correction: usize, keepdim: bool) -> Result<Self> {
        let var = self.var(dims, correction, keepdim)?;
        let differ = is_positive(var.tensor())?;
        if !differ.to_vec::<bool>()?.contains(&false) {
            return var.sqrt();
        }
        // The root's derivative is infinite at 0: a variance of 0 (or NaN) goes round it.
        let root = var.where_(&differ, &scalar_like(&var, 1.0)?)?.sqrt()?;
        root.where_(&differ, &var)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_testing::reference::groups;

    #[test]
    fn forward_matches_reference() {
        let x = sampled(&[2, 3, 4], 1);
        let elements = x.to_vec::<f64>().unwrap();
        for (dims, axes) in [(&[1][..], &[1][..]), (&[], &[0, 1, 2])] {
            let std = |g: &Vec<f64>| {
                let mean = g.iter().sum::<f64>() / g.len() as f64;
                (g.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (g.len() - 1) as f64).sqrt()
            };
            let want: Vec<f64> = groups(&[2, 3, 4], &elements, axes)
                .iter()
                .map(std)
                .collect();
            check_forward(
                |v| v[0].std(dims, 1, false),
                std::slice::from_ref(&x),
                &want,
            );
        }
        assert!(
            constant(&[1.0_f64], 1)
                .std(&[], 1, false)
                .unwrap()
                .item::<f64>()
                .unwrap()
                .is_nan()
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for dims in [&[1][..], &[0, 2], &[]] {
            check_gradient(|v| v[0].std(dims, 1, false), &[sampled(&[2, 3, 2], 1)]);
        }
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].std(&[0], 0, true), &[sampled(&[3, 4, 2], 1)]);
        check_layouts(|v| v[0].std(&[], 1, false), &[sampled(&[3, 4], 1)]);
        check_empty(|v| v[0].std(&[1], 0, false), &[&[0, 3]]);
    }

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
