//! The most frequent elements along a dim.

use gradus_linalg::sort;
use gradus_tensor::Tensor;

use crate::ops::support::lane_cases::{draw_lane_statistic, lane_reference};
use crate::ops::support::lanes::one_of_each;
use crate::ops::support::order::keys_along;
use crate::registry::{AttrType, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The most frequent element along `dim`, the smallest of equally frequent ones, and its last index, an i64 tensor.
    ///
    /// # Shapes
    /// `dim` disappears from both, or stays with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Exact; all NaN are equal, and above all numbers. Any dtype.
    ///
    /// # Gradient
    /// All of `grad_out` to the element at the index.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Argument`] if it has no elements to choose from.
    ///
    /// As `torch.mode`.
    pub fn mode(&self, dim: isize, keepdim: bool) -> Result<(Self, Tensor)> {
        one_of_each("mode", self, dim, keepdim, |x, axis| {
            let keys = keys_along(x, axis)?;
            keys.one_each(axis, |dst, from| {
                sort::mode(dst, from, keys.cols, keys.narrow)
            })
        })
    }
}

/// The last place of the mode, naively.
fn naive(lane: &[f64]) -> usize {
    let count = |x: f64| lane.iter().filter(|&&y| y == x).count();
    let better = |a: f64, b: f64| count(a) > count(b) || count(a) == count(b) && a <= b;
    (0..lane.len()).fold(
        0,
        |best, i| if better(lane[i], lane[best]) { i } else { best },
    )
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("mode", |a| {
        let (values, indices) = a.var("x")?.mode(a.isize("dim")?, a.flag("keepdim")?)?;
        Ok(vec![values, Var::constant(indices)])
    })
    .input("x", Kind::Any)
    .attr("dim", AttrType::Int, -1)
    .attr("keepdim", AttrType::Bool, false)
    .many()
    .reference(|a| {
        Ok(vec![
            lane_reference(a, |x| x[naive(x)])?,
            lane_reference(a, |x| naive(x) as f64)?,
        ])
    })
    .draw(|d| draw_lane_statistic(d, Draw::distinct))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn the_smallest_of_the_most_frequent_and_its_last_place() {
        let nan = f64::NAN;
        for (x, want) in [
            ([1.0, 2.0, 2.0, 1.0, 3.0], 3),
            ([5.0, 2.0, 2.0, 5.0, 5.0], 4),
            ([nan, nan, nan, 1.0, 1.0], 2),
            ([-0.0, 0.0, 1.0, 1.0, 2.0], 1),
        ] {
            let x = leaf(&x, 5);
            let (y, at) = x.mode(0, false).unwrap();
            assert_eq!(at.item::<i64>().unwrap(), want);
            let grads = y.backward().unwrap();
            let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(got.iter().sum::<f64>(), 1.0);
            assert_eq!(got[want as usize], 1.0);
        }
    }

    #[test]
    fn rejects_no_elements_and_bad_dims() {
        let x = constant::<f64>(&[], [2, 0]);
        let got = x.mode(1, false);
        assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        let got = x.mode(2, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
