//! Layers, one file each.

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod conv_transpose;
mod distance;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod linear;
mod loss;
mod pool;
mod recurrent;
#[cfg(test)]
mod testing;
mod transformer;
mod upsample;

pub use activation::{
    Celu, Elu, Gelu, Glu, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid,
    LogSoftmax, Mish, PRelu, Relu, Relu6, Selu, Sigmoid, Silu, Softmax, Softmin, Softplus,
    Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
};
pub use attention::{AttentionMasks, MultiheadAttention, MultiheadAttentionConfig};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormConfig};
pub use conv::{
    Conv, Conv1d, Conv1dLayerConfig, Conv2d, Conv2dLayerConfig, Conv3d, Conv3dLayerConfig,
    ConvLayerConfig,
};
pub use conv_transpose::{
    ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeLayerConfig,
};
pub use distance::{CosineSimilarity, PairwiseDistance};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::{Embedding, EmbeddingBag};
pub use flatten::Flatten;
pub use group_norm::{GroupNorm, GroupNormConfig, LocalResponseNorm};
pub use instance_norm::{
    InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, InstanceNormConfig,
};
pub use layer_norm::{LayerNorm, LayerNormConfig, RMSNorm};
pub use linear::Linear;
pub use loss::{
    BceLoss, BceWithLogitsLoss, CosineEmbeddingLoss, CrossEntropyLoss, CtcLoss, GaussianNllLoss,
    HingeEmbeddingLoss, HingeLoss, HuberLoss, KlDivLoss, L1Loss, MarginRankingLoss, MseLoss,
    MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, NllLoss, PoissonNllLoss,
    SmoothL1Loss, SoftMarginLoss, TripletMarginLoss,
};
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool,
    AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool, AvgPool1d, AvgPool2d,
    AvgPool3d, LPPool, LPPool1d, LPPool2d, LPPool3d, MaxPool, MaxPool1d, MaxPool2d, MaxPool3d,
};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Nonlinearity, RecurrentConfig, Rnn, RnnCell};
pub use transformer::{
    SequenceMasks, Transformer, TransformerActivation, TransformerConfig, TransformerDecoder,
    TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer,
};
pub use upsample::Upsample;
