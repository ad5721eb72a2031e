//! What losses share: the reduction of their elements to one number.

use gradus_tensor::{Error, Result, Tensor, broadcast_shapes};

use crate::Var;

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
pub(crate) fn fits(op: &'static str, losses: &Var, weight: &Tensor) -> Result<()> {
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
pub(crate) fn weighted(op: &'static str, losses: Var, weight: Option<&Tensor>) -> Result<Var> {
    let Some(weight) = weight else {
        return Ok(losses);
    };
    fits(op, &losses, weight)?;
    losses.mul(&Var::constant(weight.clone()))
}
