//! The mean of each window of a sequence.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::avg_spec;
use crate::ops::support::pool::{AvgPool1dConfig, avg_pool};
use crate::registry::OpSpec;

impl Var {
    /// The mean of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, L)`, or `(C, L)` for one sequence; sides as [`Var::avg_pool2d`].
    ///
    /// # Numerics
    /// As [`Var::avg_pool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::avg_pool2d`].
    ///
    /// # Errors
    /// As [`Var::avg_pool2d`].
    ///
    /// As `torch.nn.functional.avg_pool1d`, which has no `divisor_override`.
    pub fn avg_pool1d(&self, kernel_size: [usize; 1], config: &AvgPool1dConfig) -> Result<Self> {
        avg_pool("avg_pool1d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    avg_spec::<1>("avg_pool1d")
}
