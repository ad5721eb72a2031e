//! What layers compute: convolution, pooling, normalisation, attention, recurrence.

mod adaptive_avg_pool1d;
mod adaptive_avg_pool2d;
mod adaptive_avg_pool3d;
mod adaptive_max_pool1d;
mod adaptive_max_pool1d_with_indices;
mod adaptive_max_pool2d;
mod adaptive_max_pool2d_with_indices;
mod adaptive_max_pool3d;
mod adaptive_max_pool3d_with_indices;
mod affine_grid;
mod alpha_dropout;
mod avg_pool1d;
mod avg_pool2d;
mod avg_pool3d;
mod batch_norm;
mod conv1d;
mod conv2d;
mod conv3d;
mod conv_transpose1d;
mod conv_transpose2d;
mod conv_transpose3d;
mod cosine_similarity;
mod dropout;
mod embedding;
mod embedding_bag;
mod feature_alpha_dropout;
mod feature_dropout;
mod grid_sample;
mod group_norm;
mod gru;
mod gru_cell;
mod instance_norm;
mod interpolate;
mod layer_norm;
mod local_response_norm;
mod log_softmax;
mod lp_pool1d;
mod lp_pool2d;
mod lp_pool3d;
mod lstm;
mod lstm_cell;
mod max_pool1d;
mod max_pool1d_with_indices;
mod max_pool2d;
mod max_pool2d_with_indices;
mod max_pool3d;
mod max_pool3d_with_indices;
mod max_unpool1d;
mod max_unpool2d;
mod max_unpool3d;
mod normalize;
mod pairwise_distance;
mod rms_norm;
mod rnn_relu;
mod rnn_relu_cell;
mod rnn_tanh;
mod rnn_tanh_cell;
mod scaled_dot_product_attention;
mod softmax;
mod softmin;

pub use batch_norm::BatchNormOutput;
pub use embedding::EmbeddingConfig;
pub use embedding_bag::{BagMode, EmbeddingBagConfig};
pub use grid_sample::GridSampleConfig;
pub use interpolate::{InterpolateConfig, InterpolateMode, InterpolateTo};
pub use scaled_dot_product_attention::AttentionConfig;

use crate::registry::OpSpec;

/// The ops of this folder.
pub(crate) const SPECS: &[fn() -> OpSpec] = &[
    adaptive_avg_pool1d::spec,
    adaptive_avg_pool2d::spec,
    adaptive_avg_pool3d::spec,
    adaptive_max_pool1d::spec,
    adaptive_max_pool1d_with_indices::spec,
    adaptive_max_pool2d::spec,
    adaptive_max_pool2d_with_indices::spec,
    adaptive_max_pool3d::spec,
    adaptive_max_pool3d_with_indices::spec,
    affine_grid::spec,
    alpha_dropout::spec,
    avg_pool1d::spec,
    avg_pool2d::spec,
    avg_pool3d::spec,
    batch_norm::spec,
    conv1d::spec,
    conv2d::spec,
    conv3d::spec,
    conv_transpose1d::spec,
    conv_transpose2d::spec,
    conv_transpose3d::spec,
    cosine_similarity::spec,
    dropout::spec,
    embedding::spec,
    embedding_bag::spec,
    feature_alpha_dropout::spec,
    feature_dropout::spec,
    grid_sample::spec,
    group_norm::spec,
    gru::spec,
    gru_cell::spec,
    instance_norm::spec,
    interpolate::spec,
    layer_norm::spec,
    local_response_norm::spec,
    log_softmax::spec,
    lp_pool1d::spec,
    lp_pool2d::spec,
    lp_pool3d::spec,
    lstm::spec,
    lstm_cell::spec,
    max_pool1d::spec,
    max_pool1d_with_indices::spec,
    max_pool2d::spec,
    max_pool2d_with_indices::spec,
    max_pool3d::spec,
    max_pool3d_with_indices::spec,
    max_unpool1d::spec,
    max_unpool2d::spec,
    max_unpool3d::spec,
    normalize::spec,
    pairwise_distance::spec,
    rms_norm::spec,
    rnn_relu::spec,
    rnn_relu_cell::spec,
    rnn_tanh::spec,
    rnn_tanh_cell::spec,
    scaled_dot_product_attention::spec,
    softmax::spec,
    softmin::spec,
];
