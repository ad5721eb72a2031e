//! Slices combined with those at places named by an index.

use gradus_tensor::Tensor;

use super::scatter_reduce::{WORDS, reduce_of, reference};
use crate::ops::support::scatter_cases::{draw_slices, sliced, slices_as_elements};
use crate::ops::support::scatter_reduce::{ScatterReduce, scatter_reduce};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy in which slice `j` of `source` along `dim` is combined with slice `index[j]`, or, without `include_self`,
    /// replaces it. [`ScatterReduce::Sum`] is [`Var::index_add`] then.
    ///
    /// # Shapes
    /// `index` (i64) is `(K,)`; `source` is as `self` with size K in `dim`.
    ///
    /// # Numerics
    /// As [`Var::scatter_reduce`], and so the gradient.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// As `torch.index_reduce`.
    pub fn index_reduce(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Self,
        reduce: ScatterReduce,
        include_self: bool,
    ) -> Result<Self> {
        let mut parts = sliced("index_reduce", self, dim, index, source)?;
        parts.places = parts.places.by_elements()?;
        scatter_reduce("index_reduce", &parts, reduce, include_self)?.reshape(self.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_reduce", |a| {
        let (dim, index, source) = (a.isize("dim")?, a.tensor("index")?, a.var("source")?);
        let (reduce, include_self) = (reduce_of(a)?, a.flag("include_self")?);
        let out = a
            .var("x")?
            .index_reduce(dim, index, source, reduce, include_self)?;
        Ok(one(out))
    })
    .input("x", Kind::Float)
    .input("index", Kind::Index)
    .input("source", Kind::Float)
    .required("dim", AttrType::Int)
    .required("reduce", AttrType::Text)
    .attr("include_self", AttrType::Bool, true)
    .reference(|a| reference(&slices_as_elements(a)?, &a.dense("source")?))
    .draw(|d| {
        let (reduce, include_self) = (d.pick(WORDS), !d.flag());
        Ok(draw_slices(d)?
            .attr("reduce", reduce)
            .attr("include_self", include_self))
    })
}
