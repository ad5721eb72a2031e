//! What losses share: the reduction of their elements to one number.

use gradus_tensor::Result;

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
