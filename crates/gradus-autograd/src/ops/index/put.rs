//! Elements written by their number in row-major order.

use gradus_tensor::{Shape, Tensor};

use super::take::draw_numbers;
use crate::ops::support::place_ops::{add_over, put_over};
use crate::ops::support::places::{Places, wrapped};
use crate::ops::support::scatter_cases::require_shape;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `source` written to, or with `accumulate` added to, the elements of these numbers in row-major order.
    ///
    /// # Shapes
    /// `index` (i64) and `source` have as many elements; negative numbers count from the end.
    ///
    /// # Numerics
    /// Of several writes to one place the last stays; additions in order. Any dtype; to accumulate f32 or f64.
    ///
    /// # Gradient
    /// As [`Var::scatter`] or [`Var::scatter_add`].
    ///
    /// # Errors
    /// [`crate::Error::DType`] if `index` is not i64; [`crate::Error::ShapeMismatch`] if `source` has another number of elements;
    /// [`crate::Error::IndexOutOfRange`] with the first number that is outside.
    ///
    /// As `torch.put`.
    pub fn put(&self, index: &Tensor, source: &Self, accumulate: bool) -> Result<Self> {
        let rows = wrapped("put", index, self.numel())?;
        let flat = |n: usize| Shape::new(&[n]);
        let places = Places::numbered(&rows, 1, flat(index.numel())?, self.shape())?;
        let source = source.reshape([source.numel()])?;
        require_shape("put", places.picked(), &source)?;
        let write = if accumulate { add_over } else { put_over };
        write("put", places, self, &source)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("put", |a| {
        let (index, source) = (a.tensor("index")?, a.var("source")?);
        Ok(one(a.var("x")?.put(
            index,
            source,
            a.flag("accumulate")?,
        )?))
    })
    .input("x", Kind::Any)
    .input("index", Kind::Index)
    .input("source", Kind::Any)
    .attr("accumulate", AttrType::Bool, false)
    .reference(|a| {
        let (mut x, index, source) = (a.dense("x")?, a.dense("index")?, a.dense("source")?);
        for (&i, &new) in index.data.iter().zip(&source.data) {
            let n = x.numel();
            let to = &mut x.data[if i < 0.0 {
                n - (-i) as usize
            } else {
                i as usize
            }];
            *to = if a.flag("accumulate")? {
                *to + new
            } else {
                new
            };
        }
        Ok(vec![x])
    })
    .draw(|d| {
        let (dims, accumulate) = (d.any_shape(), d.flag());
        let count = d.range(0..=5);
        let index = draw_numbers(d, &[count], dims.iter().product())?;
        let source = d.reals(index.dims())?;
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("index", index)
            .with("source", source)
            .attr("accumulate", accumulate))
    })
}
