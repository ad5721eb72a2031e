//! The order of the elements of each lane.

use gradus_tensor::Tensor;

use super::sort::{draw, reference};
use crate::ops::support::lanes::as_lanes;
use crate::ops::support::order::keys_along;
use crate::registry::templates::plain;
use crate::registry::{AttrType, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The indices that sort the elements along `dim`, as [`Var::sort`] gives them: an i64 tensor.
    ///
    /// # Errors
    /// As [`Var::sort`].
    ///
    /// As `torch.argsort`.
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        let (lanes, axis) = as_lanes("argsort", self, dim)?;
        let k = lanes.dims()[axis];
        let indices = keys_along(lanes.tensor(), axis)?.sorted(axis, k, descending)?;
        indices.reshape(self.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("argsort", |a| {
        Ok(plain(
            a.var("x")?
                .argsort(a.isize("dim")?, a.flag("descending")?)?,
        ))
    })
    .input("x", Kind::Any)
    .attr("dim", AttrType::Int, -1)
    .attr("descending", AttrType::Bool, false)
    .attr("stable", AttrType::Bool, false)
    .not_differentiable()
    .reference(|a| Ok(reference(a)?.split_off(1)))
    .draw(draw)
}
