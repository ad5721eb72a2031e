//! Thresholds.

use crate::ops::support::lean::{Lean, lean, mask};
use crate::ops::support::scalar_like;
use crate::ops::support::unary::Keeps;
use crate::registry::templates::draw_attrs;
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const LIMIT: Lean = Lean {
    name: "threshold",
    value: |x, [threshold, value, _]| if x <= threshold { value } else { x },
    keeps: Some(Keeps::Input),
    grad: |grad, x, attrs| {
        let kept = mask(x.tensor(), attrs, |x, [threshold, ..]| {
            x > threshold || x.is_nan()
        })?;
        grad.where_(&kept, &scalar_like(grad, 0.0)?)
    },
};

impl Var {
    /// `x` where it is above `threshold`, else `value`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > threshold` (or NaN), else 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.threshold`.
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Self> {
        lean(LIMIT, [threshold, value, 0.0], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("threshold", |a| {
        let (threshold, value) = (a.float("threshold")?, a.float("value")?);
        Ok(one(a.var("x")?.threshold(threshold, value)?))
    })
    .input("x", Kind::Float)
    .required("threshold", AttrType::Float)
    .required("value", AttrType::Float)
    .reference(|a| {
        let (threshold, value) = (a.float("threshold")?, a.float("value")?);
        Ok(vec![
            a.dense("x")?.map(|x| if x > threshold { x } else { value }),
        ])
    })
    .draw(|d| {
        let values = Values::REAL.away(&[-0.5, 1.0]);
        draw_attrs(
            d,
            values,
            ["threshold", "value"],
            &[[1.0, -3.0], [-0.5, 0.25]],
        )
    })
    .kinked()
}
