//! Slices named by an index filled with one value.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::lane_cases::axis_of;
use crate::ops::support::lanes::as_lanes;
use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::{Places, wrapped};
use crate::ops::support::scalar_like;
use crate::ops::support::scatter_cases::{draw_slices, naive_scatter, slices_as_elements};
use crate::registry::{Args, Attr, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with the slices of `dim` at these indices filled with `value`, a var of rank 0.
    ///
    /// # Shapes
    /// `index` (i64) is `(K,)`; negative indices count from the end.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 in the slices filled. Of `value`: the sum of `grad_out` in them.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Rank`] if `index` is no vector or `value` not of rank 0; [`Error::DType`] if
    /// the index is not i64; [`Error::DTypeMismatch`] if `value` is of another dtype; [`Error::IndexOutOfRange`] with the first
    /// index that is outside.
    ///
    /// As `torch.index_fill`.
    pub fn index_fill(&self, dim: isize, index: &Tensor, value: &Self) -> Result<Self> {
        if value.rank() != 0 {
            return Err(Error::Rank {
                op: "index_fill",
                expected: 0,
                got: *value.shape(),
            });
        }
        let (x, axis) = as_lanes("index_fill", self, dim)?;
        let index = wrapped("index_fill", index, x.dims()[axis])?;
        let places = Places::slices("index_fill", axis, &index, x.shape())?;
        let src = value.expand(places.picked())?;
        put_over("index_fill", places, &x, &src)?.reshape(self.shape())
    }

    /// [`Var::index_fill`] with a number.
    ///
    /// # Errors
    /// As [`Var::index_fill`].
    pub fn index_fill_scalar(&self, dim: isize, index: &Tensor, value: f64) -> Result<Self> {
        self.index_fill(dim, index, &scalar_like(self, value)?)
    }
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let value = match a.opt_dense("value")? {
        Some(value) => value.data[0],
        None => a.float("value")?,
    };
    let size = a.dense("x")?.dims[axis_of(a, a.dense("x")?.rank())?];
    let index = a
        .dense("index")?
        .map(|i| if i < 0.0 { i + size as f64 } else { i });
    let index = Tensor::from_slice(&index.data, index.dims)?;
    let wide = slices_as_elements(&a.clone().with("index", index))?;
    let source = wide.dense("index")?.map(|_| value);
    Ok(vec![naive_scatter(&wide, &source, true, |_, new| new)?])
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_fill", |a| {
        let (x, dim, index) = (a.var("x")?, a.isize("dim")?, a.tensor("index")?);
        Ok(one(match a.opt_var("value") {
            Some(value) => x.index_fill(dim, index, value)?,
            None => x.index_fill_scalar(dim, index, a.float("value")?)?,
        }))
    })
    .input("x", Kind::Any)
    .input("index", Kind::Index)
    .optional("value", Kind::Any)
    .required("dim", AttrType::Int)
    .attr("value", AttrType::Float, Attr::None)
    .reference(reference)
    .draw(|d| {
        let case = draw_slices(d)?;
        let shift = if d.flag() { -1 } else { 0 };
        let (x, dim) = (
            case.tensor("x")?.clone(),
            case.attrs().next().map(|(_, dim)| dim.clone()),
        );
        let index: Vec<i64> = case.tensor("index")?.to_vec()?;
        // -1 is the last one.
        let index: Vec<i64> = index
            .iter()
            .map(|&i| if i == 0 { shift } else { i })
            .collect();
        let args = Args::new()
            .with("x", x)
            .with("index", Tensor::from_slice(&index, index.len())?)
            .attr("dim", dim);
        Ok(if d.flag() {
            args.with("value", d.reals(&[])?)
        } else {
            args.attr("value", -2.5)
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn indices_count_from_both_ends() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let y = x
            .index_fill_scalar(1, &tensor(&[-1_i64, 0, -1], 3), 9.0)
            .unwrap();
        assert_eq!(values(&y), [9.0, -1.4, 9.0, 9.0, 0.8, 9.0]);
        let got = x
            .index_fill_scalar(1, &tensor(&[0_i64, -4], 2), 9.0)
            .unwrap_err();
        let want = Error::IndexOutOfRange {
            op: "index_fill",
            position: 1,
            index: -4,
            len: 3,
        };
        assert_eq!(got, want);
    }
}
