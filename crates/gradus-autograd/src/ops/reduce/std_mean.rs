//! Standard deviations and means over dims.

use super::var::{moment_spec, variances};
use crate::registry::OpSpec;
use crate::registry::templates::reduce_reference;
use crate::{Result, Var};

impl Var {
    /// The standard deviation and the mean over `dims`, or over all if `dims` is empty: [`Var::std`] and [`Var::mean`].
    ///
    /// # Errors
    /// As [`Var::std`].
    ///
    /// As `torch.std_mean`.
    pub fn std_mean(
        &self,
        dims: &[isize],
        correction: impl Into<f64>,
        keepdim: bool,
    ) -> Result<(Self, Self)> {
        Ok((
            self.std(dims, correction, keepdim)?,
            self.mean(dims, keepdim)?,
        ))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    moment_spec(
        "std_mean",
        |a| {
            let (dims, correction) = (a.isizes("dim")?, a.float("correction")?);
            let (std, mean) = a
                .var("x")?
                .std_mean(&dims, correction, a.flag("keepdim")?)?;
            Ok(vec![std, mean])
        },
        |a| {
            let means = reduce_reference(a, |g| g.iter().sum::<f64>() / g.len() as f64)?;
            Ok([vec![variances(a)?.map(f64::sqrt)], means].concat())
        },
    )
    .many()
}
