//! The smallest and the largest elements along a dim or of all.

use crate::ops::support::extremum::{largest, smallest};
use crate::ops::support::lane_cases::draw_lane_statistic;
use crate::registry::templates::reduce_reference;
use crate::registry::{Attr, AttrType, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The smallest and the largest element along `dim`, or of all: [`Var::amin`] and [`Var::amax`].
    ///
    /// # Errors
    /// As [`Var::amax`].
    ///
    /// As `torch.aminmax`.
    pub fn aminmax(&self, dim: Option<isize>, keepdim: bool) -> Result<(Self, Self)> {
        let dims = dim.as_slice();
        Ok((self.amin(dims, keepdim)?, self.amax(dims, keepdim)?))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("aminmax", |a| {
        let dim = a.opt("dim", |a, name| a.isize(name))?;
        let (min, max) = a.var("x")?.aminmax(dim, a.flag("keepdim")?)?;
        Ok(vec![min, max])
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Int, Attr::None)
    .attr("keepdim", AttrType::Bool, false)
    .many()
    .reference(|a| {
        let over: Vec<i64> = a.opt("dim", |a, name| a.int(name))?.into_iter().collect();
        let a = a.clone().attr("dim", over);
        Ok([
            reduce_reference(&a, smallest)?,
            reduce_reference(&a, largest)?,
        ]
        .concat())
    })
    .draw(|d| {
        let args = draw_lane_statistic(d, Draw::distinct)?;
        Ok(if d.below(3) == 0 {
            args.attr("dim", Attr::None)
        } else {
            args
        })
    })
}
