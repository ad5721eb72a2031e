//! The means of the parts of a sequence that is cut into a given number of them.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::adaptive_avg_pool;
use crate::ops::support::pool::spec::adaptive_avg_spec;
use crate::registry::OpSpec;

impl Var {
    /// The means of `output_size` parts of each sequence; parts as [`Var::adaptive_avg_pool2d`].
    ///
    /// # Shapes
    /// `(N, C, L)`, or `(C, L)` for one sequence; the sides become `output_size`.
    ///
    /// # Numerics
    /// As [`Var::adaptive_avg_pool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::adaptive_avg_pool2d`].
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    ///
    /// As `torch.nn.functional.adaptive_avg_pool1d`.
    pub fn adaptive_avg_pool1d(&self, output_size: [usize; 1]) -> Result<Self> {
        adaptive_avg_pool("adaptive_avg_pool1d", self, output_size)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    adaptive_avg_spec::<1>("adaptive_avg_pool1d")
}
