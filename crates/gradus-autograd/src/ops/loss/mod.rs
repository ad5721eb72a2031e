//! Losses.

mod binary_cross_entropy;
mod binary_cross_entropy_with_logits;
mod cross_entropy;
mod huber_loss;
mod l1_loss;
mod mse_loss;
mod nll_loss;
mod smooth_l1_loss;

pub use binary_cross_entropy_with_logits::BceWithLogitsConfig;
pub use cross_entropy::CrossEntropyConfig;
pub use nll_loss::NllLossConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![
        binary_cross_entropy::spec(),
        binary_cross_entropy_with_logits::spec(),
        cross_entropy::spec(),
        huber_loss::spec(),
        l1_loss::spec(),
        mse_loss::spec(),
        nll_loss::spec(),
        smooth_l1_loss::spec(),
    ]
}
