//! Maxima put back to where they stood in a sequence.

use gradus_tensor::{Result, Tensor};

use crate::Var;
use crate::ops::support::pool::unpool::{MaxUnpoolConfig, max_unpool, unpool_spec};
use crate::registry::OpSpec;

impl Var {
    /// The values of [`Var::max_pool1d_with_indices`] put back to where they stood; zeros elsewhere.
    ///
    /// # Shapes
    /// `(N, C, L)`, or `(C, L)`; sides as [`Var::max_unpool2d`].
    ///
    /// # Numerics
    /// As [`Var::max_unpool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::max_unpool2d`].
    ///
    /// # Errors
    /// As [`Var::max_unpool2d`].
    ///
    /// As `torch.nn.functional.max_unpool1d`.
    pub fn max_unpool1d(
        &self,
        indices: &Tensor,
        kernel_size: [usize; 1],
        config: &MaxUnpoolConfig<1>,
    ) -> Result<Self> {
        max_unpool("max_unpool1d", self, indices, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    unpool_spec::<1>("max_unpool1d")
}
