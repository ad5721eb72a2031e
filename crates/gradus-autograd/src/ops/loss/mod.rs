//! Losses.

mod binary_cross_entropy;
mod binary_cross_entropy_with_logits;
mod cosine_embedding_loss;
mod cross_entropy;
mod ctc_loss;
mod gaussian_nll_loss;
mod hinge_embedding_loss;
mod hinge_loss;
mod huber_loss;
mod kl_div;
mod l1_loss;
mod margin_ranking_loss;
mod mse_loss;
mod multi_margin_loss;
mod multilabel_margin_loss;
mod multilabel_soft_margin_loss;
mod nll_loss;
mod poisson_nll_loss;
mod smooth_l1_loss;
mod soft_margin_loss;
mod triplet_margin_loss;

pub use binary_cross_entropy_with_logits::BceWithLogitsConfig;
pub use cross_entropy::CrossEntropyConfig;
pub use ctc_loss::CtcLossConfig;
pub use gaussian_nll_loss::GaussianNllLossConfig;
pub use kl_div::KlDivConfig;
pub use multi_margin_loss::MultiMarginLossConfig;
pub use nll_loss::NllLossConfig;
pub use poisson_nll_loss::PoissonNllLossConfig;
pub use triplet_margin_loss::TripletMarginLossConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    binary_cross_entropy::spec,
    binary_cross_entropy_with_logits::spec,
    cosine_embedding_loss::spec,
    cross_entropy::spec,
    ctc_loss::spec,
    gaussian_nll_loss::spec,
    hinge_embedding_loss::spec,
    hinge_loss::spec,
    huber_loss::spec,
    kl_div::spec,
    l1_loss::spec,
    margin_ranking_loss::spec,
    mse_loss::spec,
    multi_margin_loss::spec,
    multilabel_margin_loss::spec,
    multilabel_soft_margin_loss::spec,
    nll_loss::spec,
    poisson_nll_loss::spec,
    smooth_l1_loss::spec,
    soft_margin_loss::spec,
    triplet_margin_loss::spec,
];
