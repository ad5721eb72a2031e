//! The smallest elements over dims, equal ones sharing the gradient.

use crate::ops::support::extremum::{
    Extreme, extremum, over_dims_reference, over_dims_spec, smallest,
};
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The smallest element over `dims`, or of all if `dims` is empty.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Exact; NaN if an element is NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`, shared in equal parts by all elements that equal the result (the NaN ones if it is NaN).
    /// [`Var::min_dim`] gives all of it to the first. Saves input and output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::Argument`] if there are no elements to choose
    /// from; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 4.0, 3.0], [2, 2])?);
    /// assert_eq!(x.amin(&[1], false)?.tensor().to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.amin`.
    pub fn amin(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        extremum("amin", Extreme::Smallest, self, dims, keepdim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    over_dims_spec(
        "amin",
        |a| {
            Ok(one(a
                .var("x")?
                .amin(&a.isizes("dim")?, a.flag("keepdim")?)?))
        },
        |a| over_dims_reference(a, smallest),
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_19_ties_share_the_gradient_equally() {
        let x = leaf(&[4.0, 3.0, 3.0, 5.0, 7.0, 9.0, 7.0, 7.0], [2, 4]);
        let grads = x
            .amin(&[1], false)
            .unwrap()
            .backward_with(&constant(&[1.0, 6.0], 2))
            .unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.0, 0.5, 0.5, 0.0, 2.0, 0.0, 2.0, 2.0]);
    }

    #[test]
    fn museum_20_many_ties_are_counted_exactly() {
        let x = crate::Var::leaf(crate::Tensor::ones([(1 << 16) + 1], crate::DType::F32).unwrap());
        let grads = x.min().unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f32>().unwrap();
        assert!(got.iter().all(|&g| g == 1.0 / 65_537.0));
    }

    #[test]
    fn museum_54_nan_wins_and_takes_the_gradient() {
        let x = leaf(&[1.0, f64::NAN, 3.0], 3);
        let y = x.min().unwrap();
        assert!(y.item::<f64>().unwrap().is_nan());
        let grads = y.backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0, 1.0, 0.0]
        );
    }

    #[test]
    fn rejects_no_elements() {
        let got = sampled(&[0, 3], 1);
        let got = crate::Var::constant(got).amin(&[0], false);
        assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        check_rejects_integers(|x| x.min());
    }
}
