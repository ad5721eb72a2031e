//! Absolute errors.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary, slope_a, slope_b};
use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::same_shape;
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct L1Loss;

impl Function2 for L1Loss {
    const NAME: &'static str = "l1_loss";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        (a - b).abs()
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (a - b).sign()
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        grad_out * (b - a).sign()
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_a(self, grad_out, a, b)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_b(self, grad_out, a, b)
    }
}

impl Var {
    /// Absolute error: `|x - target|`, reduced.
    ///
    /// # Shapes
    /// `self` and `target` alike: they are not broadcast, since a column against a row is nearly always a mistake. The
    /// result has their shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Sums as [`Var::sum`]. The mean of no elements is NaN.
    ///
    /// # Gradient
    /// `grad_out · sign(x - target)` and its negative, 0 where they are equal; divided by the number of elements for the mean. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 5.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.5_f64, 2.0], [2])?);
    /// assert_eq!(x.l1_loss(&target, Reduction::Mean)?.item::<f64>()?, 1.75);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.l1_loss`.
    pub fn l1_loss(&self, target: &Self, reduction: Reduction) -> Result<Self> {
        same_shape("l1_loss", self.tensor(), target.tensor())?;
        reduced(binary(L1Loss, self, target)?, reduction)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        check_loss(|x, t, r| x.l1_loss(t, r), |x, t| (x - t).abs());
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_loss_gradient(|x, t, r| x.l1_loss(t, r));
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].l1_loss(&v[1], Reduction::None), &loss_pair());
        check_layouts(|v| v[0].l1_loss(&v[1], Reduction::Mean), &loss_pair());
        check_empty(|v| v[0].l1_loss(&v[1], Reduction::Sum), &[&[0, 3], &[0, 3]]);
    }

    #[test]
    fn rejects_a_target_of_another_shape() {
        check_rejects_other_shapes(|x, t| x.l1_loss(t, Reduction::Mean));
    }
}
