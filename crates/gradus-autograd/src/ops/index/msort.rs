//! Slices along the first dim, each lane in order.

use crate::ops::support::lane_cases::dense_lanes;
use crate::ops::support::order::naive_sorted;
use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The elements along the first dim in ascending order: the values of [`Var::sort`].
    ///
    /// # Errors
    /// As [`Var::sort`].
    ///
    /// As `torch.msort`.
    pub fn msort(&self) -> Result<Self> {
        Ok(self.sort(0, false)?.0)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("msort", |a| Ok(one(a.var("x")?.msort()?)))
        .input("x", Kind::Any)
        .reference(|a| {
            let dims = a.dense("x")?.dims;
            let (x, _) = dense_lanes(&a.clone().attr("dim", 0))?;
            let found = naive_sorted(&x, 0, None, false).remove(0);
            Ok(vec![found.reshape(&dims)])
        })
        .draw(|d| {
            let dims = d.any_shape();
            Ok(Args::new().with("x", d.distinct(&dims)?))
        })
}
