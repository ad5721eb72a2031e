//! The largest of all elements.

use crate::ops::support::extremum::{Extreme, extremum, largest, of_all_spec};
use crate::registry::{Dense, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The largest of all elements: [`Var::amax`] over all dims.
    ///
    /// # Gradient
    /// Shared in equal parts by all elements that equal the result.
    ///
    /// # Errors
    /// As [`Var::amax`].
    ///
    /// As `torch.max` without a dim.
    pub fn max(&self) -> Result<Self> {
        extremum("max", Extreme::Largest, self, &[], false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    of_all_spec(
        "max",
        |a| Ok(one(a.var("x")?.max()?)),
        |a| Ok(vec![Dense::scalar(largest(&a.dense("x")?.data))]),
    )
}
