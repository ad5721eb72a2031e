//! The largest element of each window of a volume and where it stands.

use gradus_tensor::{Result, Tensor};

use crate::Var;
use crate::ops::support::pool::spec::max_spec;
use crate::ops::support::pool::{MaxPool3dConfig, max_pool_with_indices};
use crate::registry::OpSpec;

impl Var {
    /// The largest element of each window of `kernel_size`, and its place among the elements of its volume (i64).
    ///
    /// # Shapes
    /// As [`Var::max_pool3d`], for both results.
    ///
    /// # Numerics
    /// As [`Var::max_pool2d`]. The place is that of the first of equal elements, row-major in the unpadded volume; -1 if the window
    /// misses it by its dilation.
    ///
    /// # Gradient
    /// As that of [`Var::max_pool2d`]; none through the places.
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    ///
    /// As `torch.nn.functional.max_pool3d_with_indices`.
    pub fn max_pool3d_with_indices(
        &self,
        kernel_size: [usize; 3],
        config: &MaxPool3dConfig,
    ) -> Result<(Self, Tensor)> {
        max_pool_with_indices("max_pool3d_with_indices", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    max_spec::<3>("max_pool3d_with_indices", true)
}
