//! What losses share: the reduction of their elements to one number, weights, and the drawing of their cases.

use gradus_linalg::elementwise;
use gradus_tensor::{Error, Result, Tensor, broadcast_shapes};

use super::{same_shape, with_float};
use crate::Var;
use crate::registry::templates::REDUCTIONS;
use crate::registry::{Args, Dense, Draw, Values};

/// What a loss does with the losses of the elements, as PyTorch's `reduction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Keeps them apart.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// Reduces the losses of the elements.
pub(crate) fn reduced(losses: Var, reduction: Reduction) -> Result<Var> {
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Mean => losses.mean(&[], false),
        Reduction::Sum => losses.sum(&[], false),
    }
}

/// Refuses a weight that does not broadcast to the losses, or would broadcast them.
pub(crate) fn fits(op: &'static str, losses: &Var, weight: &Var) -> Result<()> {
    if broadcast_shapes(op, losses.shape(), weight.shape())? == *losses.shape() {
        return Ok(());
    }
    let rule = "the weight must broadcast to the losses";
    Err(Error::ShapeMismatch {
        op,
        lhs: *losses.shape(),
        rhs: *weight.shape(),
        rule,
    })
}

/// The losses of the elements times their weights.
pub(crate) fn weighted(op: &'static str, losses: Var, weight: Option<&Var>) -> Result<Var> {
    let Some(weight) = weight else {
        return Ok(losses);
    };
    fits(op, &losses, weight)?;
    losses.mul(weight)
}

/// The losses of the elements, reduced; with weights of their shape the mean divides by the sum of these.
pub(crate) fn weighted_mean(
    op: &'static str,
    losses: Var,
    weight: Option<&Var>,
    reduction: Reduction,
) -> Result<Var> {
    let Some(weight) = weight else {
        return reduced(losses, reduction);
    };
    same_shape(op, losses.tensor(), weight.tensor())?;
    let losses = losses.mul(weight)?;
    match reduction {
        Reduction::Mean => losses.sum(&[], false)?.div(&weight.sum(&[], false)?),
        _ => reduced(losses, reduction),
    }
}

/// Where `x` is this number: bool, of its shape.
pub(crate) fn equals(op: &'static str, x: &Tensor, number: f64) -> Result<Tensor> {
    with_float!(x.dtype(), op, T => {
        let (view, number) = (x.view::<T>()?, <T as gradus_linalg::Float>::from_f64(number));
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] move |x| x == number);
        })
    })
}

/// A case of `x` and `target` of one shape with a reduction.
pub(crate) fn draw_pair(d: &mut Draw, x: Values, target: Values) -> Result<Args> {
    let dims = d.any_shape();
    Ok(Args::new()
        .with("x", d.floats(&dims, x)?)
        .with("target", d.floats(&dims, target)?)
        .attr("reduction", d.pick(REDUCTIONS)))
}

/// `x` and `target` of one shape, whose distance is away from `kinks`.
pub(crate) fn draw_distances(d: &mut Draw, kinks: &'static [f64]) -> Result<Args> {
    let args = draw_pair(d, Values::between(-3.0, 3.0).away(kinks), Values::REAL)?;
    let sum = args.var("x")?.add(args.var("target")?)?;
    Ok(args.with("x", sum))
}

/// With an input `weight` of the shape of `x`, half of the time.
pub(crate) fn draw_weight(d: &mut Draw, args: Args) -> Result<Args> {
    if !d.flag() {
        return Ok(args);
    }
    let dims = args.var("x")?.dims().to_vec();
    Ok(args.with("weight", d.floats(&dims, Values::POSITIVE)?))
}

/// A tensor of -1 and 1.
pub(crate) fn draw_signs(d: &mut Draw, dims: &[usize]) -> Result<Tensor> {
    let mask = d.mask(dims)?.to_dtype(gradus_tensor::DType::F64)?;
    Ok(Var::constant(mask)
        .mul_scalar(2.0)?
        .add_scalar(-1.0)?
        .into_tensor())
}

/// Losses times the input `weight`, broadcast, if there is one.
pub(crate) fn weigh(args: &Args, each: Dense) -> Result<Dense> {
    Ok(match args.opt_dense("weight")? {
        Some(weight) => each.zip(&weight, |l, w| l * w),
        None => each,
    })
}

/// Losses under `reduction` where the mean divides by the input `weight`.
pub(crate) fn reduce_weighted(args: &Args, each: Dense) -> Result<Vec<Dense>> {
    let weighted = weigh(args, each)?;
    match (args.opt_dense("weight")?, args.text("reduction")?) {
        (Some(weight), "mean") => Ok(vec![Dense::scalar(weighted.sum() / weight.sum())]),
        _ => crate::registry::templates::reduce_losses(args, weighted),
    }
}
