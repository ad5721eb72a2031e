//! Linear interpolation by a number.

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// `self + weight · (end - self)`: `self` for a weight of 0, `end` for 1.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// From the nearer end, so that both are met exactly. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out · (1 - weight)` and `grad_out · weight`, summed over the dims in which one was expanded.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.lerp` with a number as weight.
    pub fn lerp_scalar(&self, end: &Self, weight: f64) -> Result<Self> {
        let way = end.sub(self)?;
        if weight.abs() < 0.5 {
            self.add_scaled(&way, weight)
        } else {
            end.sub_scaled(&way, 1.0 - weight)
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("lerp_scalar", |a| {
        let (end, weight) = (a.var("end")?, a.float("weight")?);
        Ok(one(a.var("x")?.lerp_scalar(end, weight)?))
    })
    .input("x", Kind::Float)
    .input("end", Kind::Float)
    .required("weight", AttrType::Float)
    .reference(|a| {
        let weight = a.float("weight")?;
        let mix = |x: f64, end: f64| (1.0 - weight) * x + weight * end;
        Ok(vec![a.dense("x")?.zip(&a.dense("end")?, mix)])
    })
    .draw(|d| {
        let weight = d.pick(&[0.0, 0.25, 0.75, 1.0, -1.5]);
        let [x, end, _] = d.broadcast_pair();
        let args = Args::new().with("x", d.reals(&x)?);
        Ok(args.with("end", d.reals(&end)?).attr("weight", weight))
    })
}
