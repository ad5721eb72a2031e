//! Losses.

mod bce_loss;
mod bce_with_logits;
mod cross_entropy;
mod huber_loss;
mod l1_loss;
mod mse_loss;
mod nll_loss;
mod smooth_l1_loss;

pub use bce_with_logits::BceWithLogitsConfig;
pub use cross_entropy::CrossEntropyConfig;
pub use nll_loss::NllLossConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![mse_loss::spec()]
}
