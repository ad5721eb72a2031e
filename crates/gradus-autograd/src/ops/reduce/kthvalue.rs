//! The k-th smallest elements along a dim.

use gradus_linalg::sort;
use gradus_tensor::{Error, Tensor};

use crate::ops::support::lane_cases::{draw_lane_statistic, lane_reference};
use crate::ops::support::lanes::one_of_each;
use crate::ops::support::order::{keys_along, naive_order};
use crate::registry::{AttrType, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The `k`-th smallest element along `dim`, counted from 1, and its index, an i64 tensor.
    ///
    /// # Shapes
    /// `dim` disappears from both, or stays with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Exact; NaN ranks above all numbers. Of equal elements the one that a stable sort puts there. Any dtype.
    ///
    /// # Gradient
    /// All of `grad_out` to the element at the index.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `k` is not in `1..=size`.
    ///
    /// As `torch.kthvalue`.
    pub fn kthvalue(&self, k: usize, dim: isize, keepdim: bool) -> Result<(Self, Tensor)> {
        one_of_each("kthvalue", self, dim, keepdim, |x, axis| {
            let keys = keys_along(x, axis)?;
            if k == 0 || k > keys.cols {
                return Err(Error::Argument {
                    op: "kthvalue",
                    name: "k",
                    expected: "at least 1 and no more than there are elements",
                    got: k as f64,
                });
            }
            keys.one_each(axis, |dst, from| {
                sort::kth(dst, from, keys.cols, k - 1, keys.narrow)
            })
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("kthvalue", |a| {
        let (k, dim) = (a.usize("k")?, a.isize("dim")?);
        let (values, indices) = a.var("x")?.kthvalue(k, dim, a.flag("keepdim")?)?;
        Ok(vec![values, Var::constant(indices)])
    })
    .input("x", Kind::Any)
    .required("k", AttrType::Int)
    .attr("dim", AttrType::Int, -1)
    .attr("keepdim", AttrType::Bool, false)
    .many()
    .reference(|a| {
        let k = a.usize("k")?;
        let at = |x: &[f64]| naive_order(x, false)[k - 1];
        Ok(vec![
            lane_reference(a, |x| x[at(x)])?,
            lane_reference(a, |x| at(x) as f64)?,
        ])
    })
    .draw(|d| {
        let args = draw_lane_statistic(d, Draw::distinct)?;
        let x = args.tensor("x")?;
        let size = x.dims().iter().copied().min().unwrap_or(1);
        let k = d.range(1..=size.max(1));
        Ok(args.attr("k", k))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn equal_elements_and_nan_have_their_place() {
        let x = constant(&[3.0, 3.0, 1.0, f64::NAN, 3.0], 5);
        let found: Vec<i64> = (1..=5)
            .map(|k| x.kthvalue(k, 0, false).unwrap().1.item::<i64>().unwrap())
            .collect();
        assert_eq!(found, [2, 0, 1, 4, 3]);
    }

    #[test]
    fn rejects_k_outside() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for k in [0, 4, usize::MAX] {
            let got = x.kthvalue(k, 1, false);
            assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        }
        let got = x.kthvalue(1, 2, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
