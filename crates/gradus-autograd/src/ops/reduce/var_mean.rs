//! Variances and means over dims.

use super::var::{moment_spec, variances};
use crate::registry::OpSpec;
use crate::registry::templates::reduce_reference;
use crate::{Result, Var};

impl Var {
    /// The variance and the mean over `dims`, or over all if `dims` is empty: [`Var::var`] and [`Var::mean`].
    ///
    /// # Errors
    /// As [`Var::var`].
    ///
    /// As `torch.var_mean`.
    pub fn var_mean(
        &self,
        dims: &[isize],
        correction: impl Into<f64>,
        keepdim: bool,
    ) -> Result<(Self, Self)> {
        Ok((
            self.var(dims, correction, keepdim)?,
            self.mean(dims, keepdim)?,
        ))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    moment_spec(
        "var_mean",
        |a| {
            let (dims, correction) = (a.isizes("dim")?, a.float("correction")?);
            let (var, mean) = a
                .var("x")?
                .var_mean(&dims, correction, a.flag("keepdim")?)?;
            Ok(vec![var, mean])
        },
        |a| {
            let means = reduce_reference(a, |g| g.iter().sum::<f64>() / g.len() as f64)?;
            Ok([vec![variances(a)?], means].concat())
        },
    )
    .many()
}
