//! The largest elements of the parts of an image and where they stand.

use gradus_tensor::{Result, Tensor};

use crate::Var;
use crate::ops::support::pool::adaptive_max_pool_with_indices;
use crate::ops::support::pool::spec::adaptive_max_spec;
use crate::registry::OpSpec;

impl Var {
    /// The largest elements of `output_size` parts of each image, and their places among the elements of it (i64).
    ///
    /// # Shapes
    /// As [`Var::adaptive_max_pool2d`], for both results.
    ///
    /// # Numerics
    /// As [`Var::adaptive_max_pool2d`]; the places are row-major in the image.
    ///
    /// # Gradient
    /// As that of [`Var::adaptive_max_pool2d`]; none through the places.
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    ///
    /// As `torch.nn.functional.adaptive_max_pool2d_with_indices`.
    pub fn adaptive_max_pool2d_with_indices(
        &self,
        output_size: [usize; 2],
    ) -> Result<(Self, Tensor)> {
        adaptive_max_pool_with_indices("adaptive_max_pool2d_with_indices", self, output_size)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    adaptive_max_spec::<2>("adaptive_max_pool2d_with_indices", true)
}
