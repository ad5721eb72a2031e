//! The largest element of each window of an image and where it stands.

use gradus_tensor::{Result, Tensor};

use crate::Var;
use crate::ops::support::pool::spec::max_spec;
use crate::ops::support::pool::{MaxPool2dConfig, max_pool_with_indices};
use crate::registry::OpSpec;

impl Var {
    /// The largest element of each window of `kernel_size`, and its place among the elements of its image (i64).
    ///
    /// # Shapes
    /// As [`Var::max_pool2d`], for both results.
    ///
    /// # Numerics
    /// As [`Var::max_pool2d`]. The place is that of the first of equal elements, row-major in the unpadded image; -1 if the window
    /// misses it by its dilation.
    ///
    /// # Gradient
    /// As that of [`Var::max_pool2d`]; none through the places.
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    ///
    /// As `torch.nn.functional.max_pool2d_with_indices`.
    pub fn max_pool2d_with_indices(
        &self,
        kernel_size: [usize; 2],
        config: &MaxPool2dConfig,
    ) -> Result<(Self, Tensor)> {
        max_pool_with_indices("max_pool2d_with_indices", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    max_spec::<2>("max_pool2d_with_indices", true)
}
