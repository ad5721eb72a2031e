//! How many elements over dims are not 0.

use crate::ops::support::count::{count_over, count_spec};
use crate::ops::support::lane_cases::few_numbers;
use crate::registry::templates::{plain, reduce_reference};
use crate::registry::{Args, OpSpec};
use crate::{Result, Tensor, Var};

impl Var {
    /// How many elements over `dims` (over all dims if it is empty) are not 0: an i64 tensor without these dims.
    ///
    /// # Numerics
    /// Exact. NaN counts. Any dtype; of bools it is their sum.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated.
    ///
    /// As `torch.count_nonzero`.
    pub fn count_nonzero(&self, dims: &[isize]) -> Result<Tensor> {
        Ok(count_over("count_nonzero", self, dims, false)?.0)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    count_spec(
        "count_nonzero",
        |a| Ok(plain(a.var("x")?.count_nonzero(&a.isizes("dim")?)?)),
        |a| {
            let a = a.clone().attr("keepdim", false);
            reduce_reference(&a, |group| {
                group.iter().filter(|&&x| x != 0.0).count() as f64
            })
        },
    )
    .draw(|d| {
        let dims = d.any_shape();
        let over = d.dims(dims.len(), 0);
        Ok(Args::new()
            .with("x", few_numbers(d, &dims)?)
            .attr("dim", over))
    })
}
