//! Extremes: values over dims whose gradient equal elements share, indices of the first, and their registration.

use gradus_linalg::{elementwise, reduce, reduce_arg, scan};
use gradus_tensor::{Result, Shape, Tensor};

use super::lane_cases::{draw_lane_statistic, lane_reference};
use super::lanes::{as_lanes, one_of_each, pick_along, reduced_axes, refuse_nothing};
use super::rows::{along, restore};
use super::{scalar_like, with_float};
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Which end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Largest,
    Smallest,
}

/// The value of each group over the axes, in the shape given.
pub(crate) type Find = fn(&Tensor, &[usize], &Shape) -> Result<Tensor>;

/// An op whose result is one of the elements: the gradient is shared by all that equal it.
#[derive(Debug)]
struct Chosen {
    name: &'static str,
    find: Find,
    axes: Vec<usize>,
    keepdim: bool,
}

/// One element of each group over `dims` (all if empty), as `find` says.
pub(crate) fn chosen(
    name: &'static str,
    find: Find,
    x: &Var,
    dims: &[isize],
    keepdim: bool,
) -> Result<Var> {
    let axes = reduced_axes(name, x.shape(), dims)?;
    refuse_nothing(name, x.shape(), &axes)?;
    let op = Chosen {
        name,
        find,
        axes,
        keepdim,
    };
    apply(op, &[x])
}

/// The extreme over `dims` (all if empty).
pub(crate) fn extremum(
    name: &'static str,
    which: Extreme,
    x: &Var,
    dims: &[isize],
    keepdim: bool,
) -> Result<Var> {
    fn largest(x: &Tensor, axes: &[usize], shape: &Shape) -> Result<Tensor> {
        with_float!(x.dtype(), "amax", T => {
            let view = x.view::<T>()?;
            Tensor::build(shape, |dst: &mut [T]| reduce::max(dst, view, axes))
        })
    }
    fn smallest(x: &Tensor, axes: &[usize], shape: &Shape) -> Result<Tensor> {
        with_float!(x.dtype(), "amin", T => {
            let view = x.view::<T>()?;
            Tensor::build(shape, |dst: &mut [T]| reduce::min(dst, view, axes))
        })
    }
    let find = match which {
        Extreme::Largest => largest,
        Extreme::Smallest => smallest,
    };
    chosen(name, find, x, dims, keepdim)
}

/// Where the elements are that equal `value`, broadcast; NaN is equal to NaN.
pub(crate) fn equals(op: &'static str, x: &Tensor, value: &Tensor) -> Result<Tensor> {
    with_float!(x.dtype(), op, T => {
        let (view, value) = (x.view::<T>()?, value.view::<T>()?.broadcast(op, x.shape())?);
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map2(dst, view, value, #[inline(always)] |x, e| x == e || (x.is_nan() && e.is_nan()));
        })
    })
}

impl Op for Chosen {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let shape = inputs[0].shape().reduced(&self.axes, self.keepdim);
        Ok((self.find)(inputs[0], &self.axes, &shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let shape = ctx.input_shape(0);
        let kept = shape.reduced(&self.axes, true);
        let value = ctx.output(0)?.tensor().reshape(kept)?;
        let winners = equals(self.name, ctx.input(0)?.tensor(), &value)?;
        // Counted in the dtype from sums in f64: 2^24 and more ties are right to one rounding.
        let dims: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
        let counts = Var::constant(winners.to_dtype(ctx.input_dtype(0))?).sum_if_any(&dims)?;
        let grad = ctx.grad(grad_out, 0)?.reshape(kept)?;
        let share = grad.div(&counts)?.expand(shape)?;
        Ok(vec![Some(
            share.where_(&winners, &scalar_like(&grad, 0.0)?)?,
        )])
    }
}

impl Var {
    /// The sum over these dims, kept with size 1; unlike [`Var::sum`], no dims mean none.
    pub(crate) fn sum_if_any(&self, dims: &[isize]) -> Result<Self> {
        if dims.is_empty() {
            Ok(self.clone())
        } else {
            self.sum(dims, true)
        }
    }
}

/// The index of the extreme over `axes`, counted in row-major order over them, in the shape given.
fn locate(
    op: &'static str,
    which: Extreme,
    x: &Tensor,
    axes: &[usize],
    shape: Shape,
) -> Result<Tensor> {
    with_float!(x.dtype(), op, T => {
        let view = x.view::<T>()?;
        Tensor::build(shape, |dst: &mut [i64]| match which {
            Extreme::Largest => reduce_arg::argmax(dst, view, axes),
            Extreme::Smallest => reduce_arg::argmin(dst, view, axes),
        })
    })
}

/// The index of the extreme along `dim`, or among all.
pub(crate) fn arg_extremum(
    op: &'static str,
    which: Extreme,
    x: &Var,
    dim: Option<isize>,
    keepdim: bool,
) -> Result<Tensor> {
    let axes = reduced_axes(op, x.shape(), dim.as_slice())?;
    refuse_nothing(op, x.shape(), &axes)?;
    let shape = x.shape().reduced(&axes, keepdim);
    locate(op, which, x.tensor(), &axes, shape)
}

/// The extreme along `dim` with its index, the first of equal ones.
pub(crate) fn extremum_along(
    op: &'static str,
    which: Extreme,
    x: &Var,
    dim: isize,
    keepdim: bool,
) -> Result<(Var, Tensor)> {
    one_of_each(op, x, dim, keepdim, |x, axis| {
        locate(op, which, x, &[axis], x.shape().reduced(&[axis], true))
    })
}

/// How a naive reference chooses among elements.
type Choose = fn(&[f64]) -> f64;

/// The largest of a few elements.
pub(crate) fn largest(group: &[f64]) -> f64 {
    group.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The smallest of a few elements.
pub(crate) fn smallest(group: &[f64]) -> f64 {
    group.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Where an element stands first.
pub(crate) fn position(group: &[f64], choose: Choose) -> f64 {
    let wanted = choose(group);
    let found = group.iter().position(|&x| x == wanted);
    found.map_or(-1.0, |i| i as f64)
}

/// The spec of an op that chooses over `dim`, `keepdim`.
pub(crate) fn over_dims_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .attr("dim", AttrType::Ints, Vec::<i64>::new())
        .attr("keepdim", AttrType::Bool, false)
        .reference(reference)
        .draw(|d| {
            let dims = d.any_shape();
            draw_reduction(d, &dims, |d| d.distinct(&dims))
        })
}

/// The spec of an op that chooses among all elements.
pub(crate) fn of_all_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .reference(reference)
        .draw(|d| {
            let dims = d.any_shape();
            Ok(Args::new().with("x", d.distinct(&dims)?))
        })
}

/// The spec of an op that gives an element along `dim`, `keepdim`, with its index.
pub(crate) fn along_dim_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .required("dim", AttrType::Int)
        .attr("keepdim", AttrType::Bool, false)
        .many()
        .reference(reference)
        .draw(|d| draw_lane_statistic(d, Draw::distinct))
}

/// The reference of [`along_dim_spec`].
pub(crate) fn along_dim_reference(args: &Args, choose: Choose) -> Result<Vec<Dense>> {
    Ok(vec![
        lane_reference(args, choose)?,
        lane_reference(args, |lane| position(lane, choose))?,
    ])
}

/// The spec of `argmax` and `argmin`.
pub(crate) fn arg_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .attr("dim", AttrType::Int, Attr::None)
        .attr("keepdim", AttrType::Bool, false)
        .not_differentiable()
        .reference(reference)
        .draw(|d| {
            let args = draw_lane_statistic(d, Draw::distinct)?;
            Ok(if d.below(3) == 0 {
                args.attr("dim", Attr::None)
            } else {
                args
            })
        })
}

/// The reference of [`arg_spec`].
pub(crate) fn arg_reference(args: &Args, choose: Choose) -> Result<Vec<Dense>> {
    if args.is_none("dim")? {
        let x = args.dense("x")?;
        let all: Vec<usize> = (0..x.rank()).collect();
        let found = x.reduce(&all, args.flag("keepdim")?, |x| position(x, choose));
        return Ok(vec![found]);
    }
    Ok(vec![lane_reference(args, |lane| position(lane, choose))?])
}

/// The reference of [`over_dims_spec`].
pub(crate) fn over_dims_reference(args: &Args, choose: Choose) -> Result<Vec<Dense>> {
    reduce_reference(args, choose)
}

/// The extremes up to each element along `dim` and where they stand.
pub(crate) fn cumulative(
    op: &'static str,
    x: &Var,
    dim: isize,
    largest: bool,
) -> Result<(Var, Tensor)> {
    let (lanes, axis) = as_lanes(op, x, dim)?;
    let rows = along(lanes.tensor(), axis)?;
    let indices = with_float!(rows.dtype(), op, T => {
        let from = rows.as_slice::<T>()?;
        Tensor::build(rows.shape(), |dst: &mut [i64]| {
            scan::cumulative_extreme(dst, from, lanes.dims()[axis], largest);
        })
    })?;
    let (values, indices) = pick_along(op, &lanes, axis, restore(&indices, axis)?)?;
    Ok((values.reshape(x.shape())?, indices.reshape(x.shape())?))
}
