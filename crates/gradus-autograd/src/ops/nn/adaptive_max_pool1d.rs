//! The largest elements of the parts of a sequence that is cut into a given number of them.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::adaptive_max_pool;
use crate::ops::support::pool::spec::adaptive_max_spec;
use crate::registry::OpSpec;

impl Var {
    /// The largest elements of `output_size` parts of each sequence; parts as [`Var::adaptive_avg_pool2d`].
    ///
    /// # Shapes
    /// `(N, C, L)`, or `(C, L)` for one sequence; the sides become `output_size`.
    ///
    /// # Numerics
    /// Exact. NaN wins. f32 or f64.
    ///
    /// # Gradient
    /// All of a part's to its winner: the first of equal elements in row-major order. Keeps the winners' places.
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    ///
    /// As `torch.nn.functional.adaptive_max_pool1d`.
    pub fn adaptive_max_pool1d(&self, output_size: [usize; 1]) -> Result<Self> {
        adaptive_max_pool("adaptive_max_pool1d", self, output_size)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    adaptive_max_spec::<1>("adaptive_max_pool1d", false)
}
