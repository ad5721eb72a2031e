//! Masks of nearly equal elements.

use gradus_tensor::Tensor;

use crate::ops::support::compare::close;
use crate::ops::support::require;
use crate::registry::templates::{draw_numbers, plain};
use crate::registry::{AttrType, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Where both are nearly equal: `|self - other| <= atol + rtol · |other|`. PyTorch's defaults are `rtol = 1e-5`,
    /// `atol = 1e-8` and NaN equal to nothing, unless `equal_nan`.
    ///
    /// # Shapes
    /// Any two that broadcast; the mask has the broadcast shape.
    ///
    /// # Numerics
    /// In f64. An infinity is close to itself alone. Any dtypes.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if a tolerance is below 0 or NaN; [`crate::Error::ShapeMismatch`].
    ///
    /// As `torch.isclose`.
    pub fn isclose(&self, other: &Self, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
        for (name, value) in [("rtol", rtol), ("atol", atol)] {
            require(value >= 0.0, "isclose", name, "at least 0", value)?;
        }
        close(self.tensor(), other.tensor(), [rtol, atol], equal_nan)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("isclose", |a| {
        let (rtol, atol) = (a.float("rtol")?, a.float("atol")?);
        let equal_nan = a.flag("equal_nan")?;
        Ok(plain(a.var("x")?.isclose(
            a.var("y")?,
            rtol,
            atol,
            equal_nan,
        )?))
    })
    .input("x", Kind::Any)
    .input("y", Kind::Any)
    .attr("rtol", AttrType::Float, 1e-5)
    .attr("atol", AttrType::Float, 1e-8)
    .attr("equal_nan", AttrType::Bool, false)
    .not_differentiable()
    .reference(|a| {
        let (rtol, atol) = (a.float("rtol")?, a.float("atol")?);
        let equal_nan = a.flag("equal_nan")?;
        let near = a.dense("x")?.zip(&a.dense("y")?, |x, y| {
            let nan = equal_nan && x.is_nan() && y.is_nan();
            let within = y.is_finite() && (x - y).abs() <= atol + rtol * y.abs();
            f64::from(nan || x == y || within)
        });
        Ok(vec![near])
    })
    .draw(|d| {
        let rtol = d.pick(&[1e-5, 0.4]);
        let atol = d.pick(&[1e-8, 1.2]);
        let equal_nan = d.flag();
        let args = draw_numbers(d)?.attr("rtol", rtol).attr("atol", atol);
        Ok(args.attr("equal_nan", equal_nan))
    })
}
