//! Order statistics along a dim: the keys of its lanes, what is found in them, and naive references.

use gradus_linalg::sort;
use gradus_tensor::{DType, Result, Shape, Tensor};

use super::lanes::{as_lanes, pick_along};
use super::rows::{along, restore};
use super::with_any;
use crate::Var;
use crate::registry::Dense;

/// The keys of all lanes along an axis, one lane after the other.
pub(crate) struct Keys {
    /// i64, contiguous, the lanes last.
    pub(crate) keys: Tensor,
    /// Whether they have 32 bits.
    pub(crate) narrow: bool,
    /// The key of NaN; that of the largest number where there is none.
    pub(crate) nan: i64,
    /// Elements of a lane.
    pub(crate) cols: usize,
}

/// The keys of `x`, of rank 1 at least, along `axis`.
pub(crate) fn keys_along(x: &Tensor, axis: usize) -> Result<Keys> {
    let cols = x.dims()[axis];
    let x = along(x, axis)?;
    let narrow = !matches!(x.dtype(), DType::F64 | DType::I64);
    let keys = with_any!(x.dtype(), T => {
        let from = x.as_slice::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [i64]| sort::keys(dst, from))
    })?;
    Ok(Keys {
        keys,
        narrow,
        nan: if narrow {
            sort::NAN_NARROW
        } else {
            sort::NAN_WIDE
        },
        cols,
    })
}

impl Keys {
    /// One index for each lane, found by a kernel: the lanes' shape with 1 in place of `axis`.
    pub(crate) fn one_each(
        &self,
        axis: usize,
        find: impl FnOnce(&mut [i64], &[i64]),
    ) -> Result<Tensor> {
        let from = self.keys.as_slice::<i64>()?;
        let last = self.keys.rank() - 1;
        let shape = self.keys.shape().reduced(&[last], true);
        restore(
            &Tensor::build(shape, |dst: &mut [i64]| find(dst, from))?,
            axis,
        )
    }

    /// The first `k` indices of each lane in sorted order, along `axis`.
    pub(crate) fn sorted(&self, axis: usize, k: usize, descending: bool) -> Result<Tensor> {
        let from = self.keys.as_slice::<i64>()?;
        let mut dims = self.keys.dims().to_vec();
        let last = dims.len() - 1;
        dims[last] = k;
        let indices = Tensor::build(Shape::new(&dims)?, |dst: &mut [i64]| {
            sort::argsort(dst, from, self.cols, k, self.narrow, descending);
        })?;
        restore(&indices, axis)
    }
}

/// The first `k` (all if `None`) elements of each lane in sorted order, and their indices.
pub(crate) fn sorted(
    op: &'static str,
    x: &Var,
    dim: isize,
    k: Option<usize>,
    descending: bool,
) -> Result<(Var, Tensor)> {
    let (lanes, axis) = as_lanes(op, x, dim)?;
    let k = k.unwrap_or(lanes.dims()[axis]);
    let indices = keys_along(lanes.tensor(), axis)?.sorted(axis, k, descending)?;
    let (values, indices) = pick_along(op, &lanes, axis, indices)?;
    let mut shape = *values.shape();
    if x.rank() == 0 && k == 1 {
        shape = Shape::SCALAR;
    }
    Ok((values.reshape(shape)?, indices.reshape(shape)?))
}

/// The order of a few elements, naively: NaN last, or first if descending; equal ones keep their order.
pub(crate) fn naive_order(lane: &[f64], descending: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lane.len()).collect();
    let before = |a: f64, b: f64| {
        let smaller = a < b || b.is_nan() && !a.is_nan();
        let larger = a > b || a.is_nan() && !b.is_nan();
        if descending { larger } else { smaller }
    };
    // By insertion.
    for i in 1..order.len() {
        let mut at = i;
        while at > 0 && before(lane[order[at]], lane[order[at - 1]]) {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    order
}

/// Values and indices of the first `k` elements of each lane of `x`.
pub(crate) fn naive_sorted(
    x: &Dense,
    axis: usize,
    k: Option<usize>,
    descending: bool,
) -> Vec<Dense> {
    let first = |lane: &[f64]| {
        let mut order = naive_order(lane, descending);
        order.truncate(k.unwrap_or(lane.len()));
        order
    };
    let values = x.along(axis, |lane| {
        first(lane).into_iter().map(|i| lane[i]).collect()
    });
    let indices = x.along(axis, |lane| {
        first(lane).into_iter().map(|i| i as f64).collect()
    });
    vec![values, indices]
}
