//! Maxima put back to where they stood in an image.

use gradus_tensor::{Result, Tensor};

use crate::Var;
use crate::ops::support::pool::unpool::{MaxUnpoolConfig, max_unpool, unpool_spec};
use crate::registry::OpSpec;

impl Var {
    /// The values of [`Var::max_pool2d_with_indices`] put back to where they stood; zeros elsewhere.
    ///
    /// # Shapes
    /// `self` and `indices` (i64): `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become `(L - 1) stride - 2 padding + kernel`,
    /// or `output_size`, which must be less than a stride away from that.
    ///
    /// # Numerics
    /// Exact. Of values with one place the last in row-major order stays. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` at the places of the values that stayed; any number of times.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::ShapeMismatch`] if the two shapes differ; [`crate::Error::IndexOutOfRange`] for a place
    /// outside of the result; [`crate::Error::Argument`] if the sizes do not fit; [`crate::Error::DType`].
    ///
    /// As `torch.nn.functional.max_unpool2d`.
    pub fn max_unpool2d(
        &self,
        indices: &Tensor,
        kernel_size: [usize; 2],
        config: &MaxUnpoolConfig<2>,
    ) -> Result<Self> {
        max_unpool("max_unpool2d", self, indices, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unpool_spec::<2>("max_unpool2d")
}
