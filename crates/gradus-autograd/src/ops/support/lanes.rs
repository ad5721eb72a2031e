//! Dims as the ops along one of them take them: a number (rank 0) counts as a lane of one element, and statistics of lanes
//! come with the index of the element that they are.

use gradus_tensor::{Error, Result, Shape, Tensor};

use super::place_ops::pick;
use super::places::Places;
use crate::Var;

/// The axis of `dim` in a tensor of at least rank 1; dims 0 and -1 of a number are allowed, too, and mean axis 0.
pub(crate) fn lane_axis(op: &'static str, shape: &Shape, dim: isize) -> Result<usize> {
    if shape.rank() > 0 {
        return shape.axis(op, dim);
    }
    if matches!(dim, 0 | -1) {
        Ok(0)
    } else {
        Err(Error::Axis { op, dim, rank: 0 })
    }
}

/// The axes of a reduction, ascending; none named means all, and dim 0 or -1 of a number is none.
pub(crate) fn reduced_axes(op: &'static str, shape: &Shape, dims: &[isize]) -> Result<Vec<usize>> {
    match (shape.rank(), dims) {
        (0, [dim]) => lane_axis(op, shape, *dim).map(|_| Vec::new()),
        _ => shape.axes(op, dims),
    }
}

/// The var, of rank 1 if it is a number, and the axis of `dim`.
pub(crate) fn as_lanes(op: &'static str, x: &Var, dim: isize) -> Result<(Var, usize)> {
    let axis = lane_axis(op, x.shape(), dim)?;
    let lanes = if x.rank() == 0 {
        x.reshape([1])?
    } else {
        x.clone()
    };
    Ok((lanes, axis))
}

/// The tensor, of rank 1 if it is a number.
pub(crate) fn at_least_vector(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        x.reshape([1])
    } else {
        Ok(x.clone())
    }
}

/// `f` of [`as_lanes`], in the shape of `x`.
pub(crate) fn lane(
    op: &'static str,
    x: &Var,
    dim: isize,
    f: impl FnOnce(&Var, usize) -> Result<Var>,
) -> Result<Var> {
    let (lanes, axis) = as_lanes(op, x, dim)?;
    f(&lanes, axis)?.reshape(x.shape())
}

/// The elements along `axis` that `indices` name, which are right, and the indices: for ops that return both.
pub(crate) fn pick_along(
    op: &'static str,
    x: &Var,
    axis: usize,
    indices: Tensor,
) -> Result<(Var, Tensor)> {
    let places = Places::along_checked(axis, &indices, x.shape())?;
    Ok((pick(op, places, x)?, indices))
}

/// One element of each lane and its index: `find` gives the indices of a tensor of at least rank 1 along an axis, which they
/// keep with size 1.
pub(crate) fn one_of_each(
    op: &'static str,
    x: &Var,
    dim: isize,
    keepdim: bool,
    find: impl FnOnce(&Tensor, usize) -> Result<Tensor>,
) -> Result<(Var, Tensor)> {
    let (lanes, axis) = as_lanes(op, x, dim)?;
    refuse_nothing(op, lanes.shape(), &[axis])?;
    let indices = find(lanes.tensor(), axis)?;
    let (values, indices) = pick_along(op, &lanes, axis, indices)?;
    let shape = match x.rank() {
        0 => *x.shape(),
        _ => x.shape().reduced(&[axis], keepdim),
    };
    Ok((values.reshape(shape)?, indices.reshape(shape)?))
}

/// Refuses to choose among no elements.
pub(crate) fn refuse_nothing(op: &'static str, shape: &Shape, axes: &[usize]) -> Result<()> {
    if shape.reduced(axes, false).numel() > 0 && axes.iter().any(|&axis| shape[axis] == 0) {
        return Err(Error::Argument {
            op,
            name: "size of the reduced dims",
            expected: "at least 1: no elements have no extreme",
            got: 0.0,
        });
    }
    Ok(())
}
