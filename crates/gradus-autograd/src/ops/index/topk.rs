//! The largest or smallest elements of each lane.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::lane_cases::{dense_lanes, draw_lanes};
use crate::ops::support::lanes::as_lanes;
use crate::ops::support::order::{naive_sorted, sorted};
use crate::registry::{AttrType, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The `k` largest (or smallest) elements along `dim`, and their indices, an i64 tensor.
    ///
    /// # Shapes
    /// `dim` gets size `k`; rank 0 is taken as one element.
    ///
    /// # Numerics
    /// In order, the best first; of equal elements the first. NaN is the largest. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` put back to where the elements came from. Keeps the indices.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `k` is more than there are elements.
    ///
    /// As `torch.topk`, whose `sorted = false` leaves the order open: here it is always sorted.
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Self, Tensor)> {
        let (lanes, axis) = as_lanes("topk", self, dim)?;
        if k > lanes.dims()[axis] {
            return Err(Error::Argument {
                op: "topk",
                name: "k",
                expected: "no more than there are elements",
                got: k as f64,
            });
        }
        sorted("topk", self, dim, Some(k), largest)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("topk", |a| {
        let (k, dim) = (a.usize("k")?, a.isize("dim")?);
        let (values, indices) = a.var("x")?.topk(k, dim, a.flag("largest")?)?;
        Ok(vec![values, Var::constant(indices)])
    })
    .input("x", Kind::Any)
    .required("k", AttrType::Int)
    .attr("dim", AttrType::Int, -1)
    .attr("largest", AttrType::Bool, true)
    .attr("sorted", AttrType::Bool, true)
    .many()
    .reference(|a| {
        let (x, axis) = dense_lanes(a)?;
        let found = naive_sorted(&x, axis, Some(a.usize("k")?), a.flag("largest")?);
        let rank_0 = a.dense("x")?.rank() == 0;
        let shape = |dims: &[usize]| if rank_0 { vec![] } else { dims.to_vec() };
        let found = found.into_iter();
        Ok(found
            .map(|out| {
                let dims = shape(&out.dims);
                out.reshape(&dims)
            })
            .collect())
    })
    .draw(|d| {
        let (largest, sorted) = (d.flag(), d.flag());
        let args = draw_lanes(d, Draw::distinct)?;
        let size = args.tensor("x")?.dims().iter().copied().min().unwrap_or(1);
        let k = d.range(1.min(size)..=size);
        Ok(args
            .attr("k", k)
            .attr("largest", largest)
            .attr("sorted", sorted))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_nan_is_the_largest_and_equal_elements_come_in_order() {
        let x = constant(&[3.0, f64::NAN, 1.0, 3.0, 0.0, 1.0], 6);
        let indices = |k, largest| x.topk(k, 0, largest).unwrap().1.to_vec::<i64>().unwrap();
        assert_eq!(indices(3, true), [1, 0, 3]);
        assert_eq!(indices(3, false), [4, 2, 5]);
        assert_eq!(indices(0, false), [0_i64; 0]);
    }

    #[test]
    fn rejects_more_than_there_are() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for k in [4, usize::MAX] {
            let got = x.topk(k, 1, true);
            assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        }
        let got = x.topk(1, 2, true);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
