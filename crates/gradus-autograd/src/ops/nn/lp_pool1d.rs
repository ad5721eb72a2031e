//! The power mean of each window of a sequence.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::lp_pool;
use crate::ops::support::pool::spec::lp_spec;
use crate::registry::OpSpec;

impl Var {
    /// The power mean of each window times its size: `(Σ x^p)^(1/p)` with `p = norm_type`.
    ///
    /// # Shapes
    /// As [`Var::avg_pool1d`] without padding; `stride` is `kernel_size` if not given.
    ///
    /// # Numerics
    /// Powers are of `x`, not of its magnitude: an odd `p` takes the root of a sum that may be negative, which is NaN. A window that
    /// hangs over the edge (ceil mode) counts as much as a whole one: its mean times the whole size. f32 or f64.
    ///
    /// # Gradient
    /// That of the formula; 0 where the sum is 0. Any number of times.
    ///
    /// # Errors
    /// As [`Var::avg_pool2d`]; [`crate::Error::Argument`] if `norm_type` is 0 or not finite.
    ///
    /// As `torch.nn.functional.lp_pool1d`.
    pub fn lp_pool1d(
        &self,
        norm_type: f64,
        kernel_size: [usize; 1],
        stride: Option<[usize; 1]>,
        ceil_mode: bool,
    ) -> Result<Self> {
        lp_pool("lp_pool1d", self, norm_type, kernel_size, stride, ceil_mode)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    lp_spec::<1>("lp_pool1d")
}
