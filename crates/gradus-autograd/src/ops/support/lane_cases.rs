//! Cases and naive references of ops along one dim.

use gradus_tensor::{Result, Tensor};

use crate::registry::{Args, Dense, Draw};

/// The axis that the attribute `dim` names in a tensor of this rank; a number counts as a lane of one element.
pub(crate) fn axis_of(args: &Args, rank: usize) -> Result<usize> {
    Ok(args.isize("dim")?.rem_euclid(rank.max(1) as isize) as usize)
}

/// `x` with rank 1 at least, and the axis that `dim` names.
pub(crate) fn dense_lanes(args: &Args) -> Result<(Dense, usize)> {
    let x = args.dense("x")?;
    let axis = axis_of(args, x.rank())?;
    let dims = if x.rank() == 0 {
        vec![1]
    } else {
        x.dims.clone()
    };
    Ok((x.reshape(&dims), axis))
}

/// `f` of each lane of `x` along `dim`, in the dims of `x`.
pub(crate) fn scan_reference(args: &Args, f: impl Fn(&[f64]) -> Vec<f64>) -> Result<Dense> {
    let (x, axis) = dense_lanes(args)?;
    Ok(x.along(axis, f).reshape(&args.dense("x")?.dims))
}

/// `f` of each lane of `x` along `dim`, which disappears or becomes 1 as `keepdim` says.
pub(crate) fn lane_reference(args: &Args, f: impl Fn(&[f64]) -> f64) -> Result<Dense> {
    let x = args.dense("x")?;
    let axis = axis_of(args, x.rank())?;
    let axes = if x.rank() == 0 { vec![] } else { vec![axis] };
    Ok(x.reduce(&axes, args.flag("keepdim")?, f))
}

/// A case of an op along `dim`: `x` of rank 0 to 3.
pub(crate) fn draw_lanes(
    d: &mut Draw,
    x: impl FnOnce(&mut Draw, &[usize]) -> Result<Tensor>,
) -> Result<Args> {
    let dims = d.any_shape();
    let dim = d.dim(dims.len());
    Ok(Args::new().with("x", x(d, &dims)?).attr("dim", dim))
}

/// [`draw_lanes`] with `keepdim`.
pub(crate) fn draw_lane_statistic(
    d: &mut Draw,
    x: impl FnOnce(&mut Draw, &[usize]) -> Result<Tensor>,
) -> Result<Args> {
    let keepdim = d.flag();
    Ok(draw_lanes(d, x)?.attr("keepdim", keepdim))
}

/// The case with some elements of `x` made 0.
pub(crate) fn with_zeros(d: &mut Draw, args: Args) -> Result<Args> {
    let x = args.tensor("x")?.clone();
    let chance = d.pick(&[0, 3, 8]);
    let drawn: Vec<i64> = d.indices(x.dims(), 10)?.to_vec()?;
    let values: Vec<f64> = x.to_vec()?;
    let zeroed = drawn.iter().zip(values);
    let zeroed: Vec<f64> = zeroed
        .map(|(&i, x)| if i < chance { 0.0 } else { x })
        .collect();
    Ok(args.with("x", Tensor::from_slice(&zeroed, x.shape())?))
}

/// A tensor of some dtype with few different numbers, many of them 0.
pub(crate) fn few_numbers(d: &mut Draw, dims: &[usize]) -> Result<Tensor> {
    use gradus_tensor::DType;
    let dtype = d.pick(&[DType::F64, DType::I64, DType::Bool, DType::U8, DType::BF16]);
    let width = d.pick(&[3, 2, 1]);
    let drawn: Vec<i64> = d.indices(dims, width)?.to_vec()?;
    let values: Vec<f64> = drawn.iter().map(|&i| [0.0, 1.0, 2.0][i as usize]).collect();
    Tensor::from_slice(&values, dims)?.to_dtype(dtype)
}
