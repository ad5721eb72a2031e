//! The means of the parts of an image that is cut into a given number of them.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::adaptive_avg_pool;
use crate::ops::support::pool::spec::adaptive_avg_spec;
use crate::registry::OpSpec;

impl Var {
    /// The means of `output_size` parts of each image, whatever its size: part `i` of `m` of a side of `n` covers
    /// `⌊i · n / m⌋ .. ⌈(i + 1) · n / m⌉`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become `output_size`.
    ///
    /// # Numerics
    /// Sums in f64, one rounding. f32 or f64.
    ///
    /// # Gradient
    /// Each part's `grad_out`, divided by its number of elements, to all its elements. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::Argument`] if a side of image or output is 0; [`crate::Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 2])?.tensor().to_vec::<f32>()?, [2.5, 6.5]);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 1])?.tensor().to_vec::<f32>()?, [4.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.adaptive_avg_pool2d`.
    pub fn adaptive_avg_pool2d(&self, output_size: [usize; 2]) -> Result<Self> {
        adaptive_avg_pool("adaptive_avg_pool2d", self, output_size)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    adaptive_avg_spec::<2>("adaptive_avg_pool2d")
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    #[test]
    fn rejects_sides_of_zero() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        assert!(matches!(
            x.adaptive_avg_pool2d([0, 1]),
            Err(Error::Argument { .. })
        ));
        let none = Var::constant(sampled(&[1, 2, 4, 0], 1)).adaptive_avg_pool2d([1, 1]);
        assert!(matches!(none, Err(Error::Argument { .. })));
        let flat = Var::constant(sampled(&[4, 4], 1)).adaptive_avg_pool2d([1, 1]);
        assert!(matches!(flat, Err(Error::Rank { .. })));
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.adaptive_avg_pool2d([1, 1]),
            Err(Error::DType { .. })
        ));
    }
}
