//! Softmax of the negated elements.

use crate::ops::support::softmax::draw;
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Exponentials of the negated elements along `dim`, scaled to sum to 1: the [`Var::softmax`] of `-x`.
    ///
    /// # Shapes
    /// Any with `dim`; the result has the same.
    ///
    /// # Numerics, gradient, errors
    /// As [`Var::softmax`]: +∞ gives 0.
    ///
    /// As `torch.nn.functional.softmin`.
    pub fn softmin(&self, dim: isize) -> Result<Self> {
        self.neg()?.softmax(dim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("softmin", |a| {
        Ok(one(a.var("x")?.softmin(a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        if x.rank() == 0 {
            return Ok(vec![x.map(|_| 1.0)]);
        }
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        Ok(vec![x.along(axis, |lane| {
            let sum: f64 = lane.iter().map(|x| (-x).exp()).sum();
            lane.iter().map(|x| (-x).exp() / sum).collect()
        })])
    })
    .draw(draw)
}
