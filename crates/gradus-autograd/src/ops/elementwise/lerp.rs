//! Linear interpolation.

use crate::ops::support::lean::mask;
use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// `self + weight · (end - self)`: `self` for a weight of 0, `end` for 1.
    ///
    /// # Shapes
    /// All three broadcast to one shape, which the result has.
    ///
    /// # Numerics
    /// From the nearer end, so that both are met exactly. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `grad_out · (1 - weight)`, `grad_out · weight`, `grad_out · (end - self)`, summed over the dims in which one was expanded.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.lerp`.
    pub fn lerp(&self, end: &Self, weight: &Self) -> Result<Self> {
        let way = end.sub(self)?;
        let forth = self.add(&weight.mul(&way)?)?;
        let rest = weight.neg()?.add_scalar(1.0)?;
        let back = end.sub(&rest.mul(&way)?)?;
        let near = mask(weight.tensor(), [0.0; 3], |weight, _| weight.abs() < 0.5)?;
        forth.where_(&near, &back)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("lerp", |a| {
        let (end, weight) = (a.var("end")?, a.var("weight")?);
        Ok(one(a.var("x")?.lerp(end, weight)?))
    })
    .input("x", Kind::Float)
    .input("end", Kind::Float)
    .input("weight", Kind::Float)
    .reference(|a| {
        let (x, end, weight) = (a.dense("x")?, a.dense("end")?, a.dense("weight")?);
        let far = end.zip(&weight, |end, w| w * end);
        Ok(vec![
            x.zip(&weight, |x, w| (1.0 - w) * x).zip(&far, |a, b| a + b),
        ])
    })
    .draw(|d| {
        let wide = d.any_shape();
        let [x, end, weight] = [0, 1, 2].map(|_| d.narrower(&wide));
        Ok(Args::new()
            .with("x", d.reals(&x)?)
            .with("end", d.reals(&end)?)
            .with("weight", d.reals(&weight)?))
    })
}
