//! The largest element of each window of a sequence.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::max_spec;
use crate::ops::support::pool::{MaxPool1dConfig, max_pool};
use crate::registry::OpSpec;

impl Var {
    /// The largest element of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, L)`, or `(C, L)` for one sequence; sides as [`Var::max_pool2d`].
    ///
    /// # Numerics
    /// As [`Var::max_pool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::max_pool2d`].
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    ///
    /// As `torch.nn.functional.max_pool1d`.
    pub fn max_pool1d(&self, kernel_size: [usize; 1], config: &MaxPool1dConfig) -> Result<Self> {
        max_pool("max_pool1d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    max_spec::<1>("max_pool1d", false)
}
