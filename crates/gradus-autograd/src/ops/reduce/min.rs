//! The smallest of all elements.

use crate::ops::support::extremum::{Extreme, extremum, of_all_spec, smallest};
use crate::registry::{Dense, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The smallest of all elements: [`Var::amin`] over all dims.
    ///
    /// # Gradient
    /// Shared in equal parts by all elements that equal the result.
    ///
    /// # Errors
    /// As [`Var::amin`].
    ///
    /// As `torch.min` without a dim.
    pub fn min(&self) -> Result<Self> {
        extremum("min", Extreme::Smallest, self, &[], false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    of_all_spec(
        "min",
        |a| Ok(one(a.var("x")?.min()?)),
        |a| Ok(vec![Dense::scalar(smallest(&a.dense("x")?.data))]),
    )
}
