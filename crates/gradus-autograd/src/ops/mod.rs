//! The ops, one file each: documentation, validation, forward, backward and registration together.
//!
//! A file defines a struct that implements [`crate::Op`], the method of [`crate::Var`] that applies it, and `spec()`, which registers
//! it: from that come its checks, `gradus op run` and `gradus gradcheck`. The loops over memory are kernels of `gradus-linalg`.
//! `docs/adding-an-op.md` shows how to add one.

mod support;

mod elementwise;
mod index;
mod linalg;
mod loss;
mod nn;
mod reduce;
mod shape;

pub use elementwise::Rounding;
pub(crate) use elementwise::add_assign;
pub use gradus_linalg::grid_sample::{SampleMode, SamplePadding};
pub use linalg::{QrMode, RankTolerance};
pub use loss::{
    BceWithLogitsConfig, CrossEntropyConfig, CtcLossConfig, GaussianNllLossConfig, KlDivConfig,
    MultiMarginLossConfig, NllLossConfig, PoissonNllLossConfig, TripletMarginLossConfig,
};
pub use nn::{
    AttentionConfig, BagMode, BatchNormOutput, EmbeddingBagConfig, EmbeddingConfig,
    GridSampleConfig, InterpolateConfig, InterpolateMode, InterpolateTo,
};
pub use shape::{Indexing, PadMode, UnfoldConfig};
pub use support::conv::{
    Conv1dConfig, Conv2dConfig, Conv3dConfig, ConvConfig, ConvPadding, ConvTransposeConfig,
};
pub use support::loss::Reduction;
pub use support::pool::unpool::MaxUnpoolConfig;
pub use support::pool::{
    AvgPool1dConfig, AvgPool2dConfig, AvgPool3dConfig, AvgPoolConfig, MaxPool1dConfig,
    MaxPool2dConfig, MaxPool3dConfig, MaxPoolConfig,
};
pub use support::recurrent::RecurrentConfig;
pub use support::scatter_reduce::ScatterReduce;

use crate::registry::Group;

/// The groups of registered ops.
pub(crate) const GROUPS: [Group; 7] = [
    ("elementwise", elementwise::SPECS),
    ("reduce", reduce::SPECS),
    ("shape", shape::SPECS),
    ("index", index::SPECS),
    ("linalg", linalg::SPECS),
    ("nn", nn::SPECS),
    ("loss", loss::SPECS),
];

#[cfg(test)]
mod tests {
    /// The page shows a file of this folder: it must be the file as it is.
    #[test]
    fn the_page_about_adding_an_op_shows_an_op_as_it_is() {
        let page = include_str!("../../../../docs/adding-an-op.md");
        assert!(
            page.contains(include_str!("elementwise/square.rs")),
            "docs/adding-an-op.md: copy elementwise/square.rs anew"
        );
    }
}
