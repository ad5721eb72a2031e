//! What ops that write by index share: sources brought into shape, cases and naive references.

use gradus_tensor::{Error, Result, Shape, Tensor};

use super::lane_cases::dense_lanes;
use super::lanes::{as_lanes, at_least_vector};
use super::places::Places;
use crate::Var;
use crate::registry::{Args, Dense, Draw};

/// `x` and `src` of an op like scatter, and where the elements of `src` go.
pub(crate) struct Scattered {
    pub(crate) x: Var,
    pub(crate) src: Var,
    pub(crate) places: Places,
}

/// Checks index and source of an op like scatter: the source is no smaller than the index, what it has more is left out.
pub(crate) fn scattered(
    op: &'static str,
    x: &Var,
    dim: isize,
    index: &Tensor,
    src: &Var,
) -> Result<Scattered> {
    let (x, axis) = as_lanes(op, x, dim)?;
    let index = at_least_vector(index)?;
    let places = Places::along(op, axis, &index, x.shape())?;
    if index.numel() == 0 {
        let all = src.reshape([src.numel()])?;
        let src = all.narrow(0, 0, 0)?.reshape(index.shape())?;
        return Ok(Scattered { x, src, places });
    }
    let mut src = if src.rank() == 0 {
        src.reshape([1])?
    } else {
        src.clone()
    };
    let fits = src.rank() == index.rank()
        && src
            .dims()
            .iter()
            .zip(index.dims())
            .all(|(own, needed)| own >= needed);
    if !fits {
        return Err(Error::ShapeMismatch {
            op,
            lhs: *index.shape(),
            rhs: *src.shape(),
            rule: "the source, right, has the rank of the index, left, and no smaller dims",
        });
    }
    for (axis, &needed) in index.dims().iter().enumerate() {
        if src.dims()[axis] > needed {
            src = src.narrow(axis as isize, 0, needed)?;
        }
    }
    Ok(Scattered { x, src, places })
}

/// `x` and `source` of an op on slices, and where the slices of `source` go.
pub(crate) fn sliced(
    op: &'static str,
    x: &Var,
    dim: isize,
    index: &Tensor,
    source: &Var,
) -> Result<Scattered> {
    let (x, axis) = as_lanes(op, x, dim)?;
    let places = Places::slices(op, axis, index, x.shape())?;
    let src = if source.rank() == 0 {
        source.reshape([1])?
    } else {
        source.clone()
    };
    require_shape(op, places.picked(), &src)?;
    Ok(Scattered { x, src, places })
}

/// Refuses a source of another shape than the places that it is for.
pub(crate) fn require_shape(op: &'static str, picked: &Shape, src: &Var) -> Result<()> {
    if src.shape() == picked {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        lhs: *picked,
        rhs: *src.shape(),
        rule: "the source, right, has the shape of the places that it goes to, left",
    })
}

/// How a reference combines what stands at a place with what is written there.
pub(crate) type Combine = fn(f64, f64) -> f64;

/// Each element of `src` combined with what stands at its place in `x`, one after the other. With `include = false` the first
/// element at a place takes it over.
pub(crate) fn naive_scatter(
    args: &Args,
    src: &Dense,
    include: bool,
    combine: Combine,
) -> Result<Dense> {
    let (mut x, axis) = dense_lanes(args)?;
    let index = args.dense("index")?;
    let dims = if index.rank() == 0 {
        vec![1]
    } else {
        index.dims.clone()
    };
    let index = index.reshape(&dims);
    let mut touched = vec![false; x.numel()];
    crate::registry::for_each_index(&index.dims, |at| {
        let mut to = at.to_vec();
        to[axis] = index.at(at) as usize;
        let place = x.position(&to);
        let new = src.at(at);
        let first = !touched[place] && !include;
        touched[place] = true;
        x.data[place] = if first {
            new
        } else {
            combine(x.data[place], new)
        };
    });
    Ok(x.reshape(&args.dense("x")?.dims))
}

/// How often each place of `x` is written to, in the dims of `x`.
pub(crate) fn naive_counts(args: &Args) -> Result<Dense> {
    let x = args.dense("x")?;
    let zeros = args
        .clone()
        .with("x", Tensor::from_slice(&vec![0.0; x.numel()], &x.dims[..])?);
    let index = args.dense("index")?;
    naive_scatter(&zeros, &index.map(|_| 1.0), true, |old, new| old + new)
}

/// A case of an op like scatter: `x`, `index` and `src`, in which no two values are close.
pub(crate) fn draw_scatter(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let dim = d.dim(dims.len());
    let axis = dim.rem_euclid(dims.len() as i64) as usize;
    let mut index: Vec<usize> = dims
        .iter()
        .map(|&size| d.range(1.min(size)..=size))
        .collect();
    if d.flag() {
        index.clone_from(&dims);
    }
    index[axis] = d.range(1..=5).min(dims[axis] * 5);
    let src: Vec<usize> = index.iter().map(|&size| size + d.below(2)).collect();
    let (inside, outside) = (dims.iter().product(), src.iter().product::<usize>());
    let values: Vec<f64> = d.distinct(&[inside + outside])?.to_vec()?;
    Ok(Args::new()
        .with("x", Tensor::from_slice(&values[..inside], &dims[..])?)
        .with("index", d.indices(&index, dims[axis])?)
        .with("src", Tensor::from_slice(&values[inside..], &src[..])?)
        .attr("dim", dim))
}

/// A case of an op on slices: `x`, `index` and `source`.
pub(crate) fn draw_slices(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let dim = d.dim(dims.len());
    let axis = dim.rem_euclid(dims.len() as i64) as usize;
    let mut source = dims.clone();
    source[axis] = d.range(1..=5).min(dims[axis] * 5);
    let (inside, outside) = (dims.iter().product(), source.iter().product::<usize>());
    let values: Vec<f64> = d.distinct(&[inside + outside])?.to_vec()?;
    Ok(Args::new()
        .with("x", Tensor::from_slice(&values[..inside], &dims[..])?)
        .with("index", d.indices(&[source[axis]], dims[axis])?)
        .with(
            "source",
            Tensor::from_slice(&values[inside..], &source[..])?,
        )
        .attr("dim", dim))
}

/// The case of [`draw_slices`] as one of [`naive_scatter`]: the index repeated over the other dims.
pub(crate) fn slices_as_elements(args: &Args) -> Result<Args> {
    let (x, axis) = dense_lanes(args)?;
    let index = args.dense("index")?;
    let mut dims = x.dims.clone();
    dims[axis] = index.numel();
    let wide = Dense::from_fn(&dims, |at| index.data[at[axis]]);
    Ok(args
        .clone()
        .with("index", Tensor::from_slice(&wide.data, &dims[..])?))
}
