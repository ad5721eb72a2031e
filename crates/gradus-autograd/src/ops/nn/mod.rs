//! What layers compute: convolution, pooling, normalisation, attention, recurrence.

mod adaptive_avg_pool2d;
mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod dropout;
mod layer_norm;
mod log_softmax;
mod max_pool2d;
mod softmax;
mod softmin;

pub use avg_pool2d::AvgPool2dConfig;
pub use batch_norm::BatchNormOutput;
pub use conv2d::Conv2dConfig;
pub use max_pool2d::MaxPool2dConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) fn specs() -> Vec<OpSpec> {
    vec![log_softmax::spec(), softmax::spec(), softmin::spec()]
}
