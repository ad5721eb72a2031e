//! The larger of two, with broadcasting.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary, slope_a, slope_b};
use crate::ops::support::share;
use crate::registry::templates::{binary_spec, draw_apart};
use crate::registry::{OpSpec, Values};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Maximum;

impl Function2 for Maximum {
    const NAME: &'static str = "maximum";

    #[inline(always)]
    fn value<T: Float>(self, a: T, b: T) -> T {
        a.maximum(b)
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        share(grad_out, a < b, a == b)
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        share(grad_out, a > b, a == b)
    }

    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_a(self, grad_out, a, b)
    }

    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
        slope_b(self, grad_out, a, b)
    }
}

impl Var {
    /// The larger of each pair of elements.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// Exact; NaN if either is NaN. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` to the larger one, half to each of two equal ones (to both in full where either is NaN), summed over the
    /// dims in which an operand was expanded. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 5.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[4.0_f32], [1])?);
    /// assert_eq!(x.maximum(&y)?.tensor().to_vec::<f32>()?, [4.0, 5.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.maximum`.
    pub fn maximum(&self, other: &Self) -> Result<Self> {
        binary(Maximum, self, other)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    binary_spec!("maximum", maximum, [Values::REAL; 2], f64::max)
        .kinked()
        .draw(draw_apart)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_19_equal_operands_share_the_gradient() {
        let (a, b) = (leaf(&[2.0_f64, 1.0], 2), leaf(&[2.0_f64, 3.0], 2));
        let grads = a
            .maximum(&b)
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get_var(&a).unwrap().to_vec::<f64>().unwrap(),
            [0.5, 0.0]
        );
        assert_eq!(
            grads.get_var(&b).unwrap().to_vec::<f64>().unwrap(),
            [0.5, 1.0]
        );
    }

    #[test]
    fn museum_54_nan_wins_on_either_side() {
        let (nan, one) = (constant(&[f64::NAN], 1), constant(&[1.0_f64], 1));
        assert!(values(&nan.maximum(&one).unwrap())[0].is_nan());
        assert!(values(&one.maximum(&nan).unwrap())[0].is_nan());
    }
}
