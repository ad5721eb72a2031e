//! Transformer layers and stacks of them.

use gradus_autograd::{Parameter, Result, ResultExt, Tensor, Var};

use super::attention::{AttentionMasks, MultiheadAttention, MultiheadAttentionConfig};
use super::dropout::Dropout;
use super::layer_norm::{LayerNorm, LayerNormConfig};
use crate::{Ctx, Gain, Init, Module, Scope};

/// The nonlinearity between the two linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransformerActivation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// `x · Φ(x)`.
    Gelu,
}

/// The options of transformer layers, with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerConfig {
    /// The width between the two linear layers. Default: 2048.
    pub dim_feedforward: usize,
    /// The probability of every dropout, in training. Default: 0.1.
    pub dropout: f64,
    /// The nonlinearity. Default: [`TransformerActivation::Relu`].
    pub activation: TransformerActivation,
    /// Added to the variance of layer norms. Default: 1e-5.
    pub layer_norm_eps: f64,
    /// Whether input and output are `(N, L, E)`. Default: no, they are `(L, N, E)`.
    pub batch_first: bool,
    /// Whether norms come before attention and linear layers instead of behind. Default: no.
    pub norm_first: bool,
    /// Whether linear layers, attention and norms have biases. Default: yes.
    pub bias: bool,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            dim_feedforward: 2048,
            dropout: 0.1,
            activation: TransformerActivation::Relu,
            layer_norm_eps: 1e-5,
            batch_first: false,
            norm_first: false,
            bias: true,
        }
    }
}

/// Weight and maybe bias of a linear layer.
#[derive(Clone, Debug)]
struct Projection {
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Projection {
    fn new(scope: &Scope, inputs: usize, outputs: usize, bias: bool, xavier: bool) -> Result<Self> {
        let fan = Init::Fan { fan_in: inputs };
        let init = if xavier {
            Init::XavierUniform { gain: Gain::Linear }
        } else {
            fan
        };
        Ok(Self {
            weight: scope.parameter("weight", [outputs, inputs], init)?,
            bias: if bias {
                Some(scope.parameter("bias", [outputs], fan)?)
            } else {
                None
            },
        })
    }

    fn forward(&self, x: &Var) -> Result<Var> {
        x.linear(
            &self.weight.var(),
            self.bias.as_ref().map(Parameter::var).as_ref(),
        )
    }
}

/// The layer norm of a part.
fn norm(scope: &Scope, width: usize, config: &TransformerConfig) -> Result<LayerNorm> {
    let own = LayerNormConfig {
        eps: config.layer_norm_eps,
        bias: config.bias,
        ..Default::default()
    };
    LayerNorm::new(scope, &[width], &own)
}

/// The linear layers, `linear1` and `linear2`, with their dropouts.
#[derive(Clone, Debug)]
struct Feedforward {
    linear1: Projection,
    linear2: Projection,
    dropout: Dropout,
    last: Dropout,
    activation: TransformerActivation,
}

impl Feedforward {
    fn new(
        scope: &Scope,
        width: usize,
        config: &TransformerConfig,
        last: &str,
        xavier: bool,
    ) -> Result<Self> {
        let (inner, bias) = (config.dim_feedforward, config.bias);
        Ok(Self {
            linear1: Projection::new(&scope.at("linear1"), width, inner, bias, xavier)?,
            linear2: Projection::new(&scope.at("linear2"), inner, width, bias, xavier)?,
            dropout: Dropout::new(&scope.at("dropout"), config.dropout),
            last: Dropout::new(&scope.at(last), config.dropout),
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let inner = self.linear1.forward(x)?;
        let inner = match self.activation {
            TransformerActivation::Relu => inner.relu()?,
            TransformerActivation::Gelu => inner.gelu()?,
        };
        let inner = self.dropout.forward(&inner, ctx)?;
        self.last.forward(&self.linear2.forward(&inner)?, ctx)
    }
}

fn attention(
    scope: &Scope,
    width: usize,
    heads: usize,
    config: &TransformerConfig,
    xavier: bool,
) -> Result<MultiheadAttention> {
    let own = MultiheadAttentionConfig {
        dropout: config.dropout,
        bias: config.bias,
        batch_first: config.batch_first,
        ..Default::default()
    };
    let init = if xavier {
        Init::XavierUniform { gain: Gain::Linear }
    } else {
        Init::Fan { fan_in: width }
    };
    MultiheadAttention::with_init(scope, width, heads, &own, init)
}

/// `norm(x + f(x))`, or `x + f(norm(x))` with the norm first.
fn around(
    x: &Var,
    norm: &LayerNorm,
    (first, ctx): (bool, &Ctx),
    f: impl FnOnce(&Var) -> Result<Var>,
) -> Result<Var> {
    if first {
        x.add(&f(&norm.forward(x, ctx)?)?)
    } else {
        norm.forward(&x.add(&f(x)?)?, ctx)
    }
}

/// The masks of one sequence in a transformer. True hides a key, as in PyTorch's; floats are added to the scores.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceMasks<'a> {
    /// `(L, S)` or `(N · heads, L, S)`.
    pub mask: Option<&'a Var>,
    /// `(N, S)`.
    pub key_padding_mask: Option<&'a Var>,
    /// Whether element `i` sees elements up to `i` only, where no mask is given.
    pub is_causal: bool,
}

impl<'a> SequenceMasks<'a> {
    fn attention(&self) -> AttentionMasks<'a> {
        AttentionMasks {
            key_padding_mask: self.key_padding_mask,
            attn_mask: self.mask,
            is_causal: self.is_causal,
            need_weights: false,
            average_attn_weights: true,
        }
    }
}

/// Self-attention and two linear layers; `torch.nn.TransformerEncoderLayer`, with its keys `self_attn.…`, `linear1.…`, `linear2.…`,
/// `norm1.…`, `norm2.…`.
#[derive(Clone, Debug)]
pub struct TransformerEncoderLayer {
    path: String,
    self_attn: MultiheadAttention,
    feedforward: Feedforward,
    norms: [LayerNorm; 2],
    dropout: Dropout,
    norm_first: bool,
}

impl TransformerEncoderLayer {
    /// A layer of this width and number of heads.
    ///
    /// # Errors
    /// As [`MultiheadAttention::new`].
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &TransformerConfig,
    ) -> Result<Self> {
        Self::with_init(scope, width, heads, config, false)
    }

    fn with_init(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &TransformerConfig,
        xavier: bool,
    ) -> Result<Self> {
        let norm = |name: &str| norm(&scope.at(name), width, config);
        Ok(Self {
            path: scope.path().to_owned(),
            self_attn: attention(&scope.at("self_attn"), width, heads, config, xavier)?,
            feedforward: Feedforward::new(scope, width, config, "dropout2", xavier)?,
            norms: [norm("norm1")?, norm("norm2")?],
            dropout: Dropout::new(&scope.at("dropout1"), config.dropout),
            norm_first: config.norm_first,
        })
    }

    /// The output, like the input `(L, N, E)` (or batch first, or `(L, E)`).
    ///
    /// # Errors
    /// Those of the ops, with the module's path in front.
    pub fn forward(&self, x: &Var, masks: &SequenceMasks<'_>, ctx: &Ctx) -> Result<Var> {
        let [first, second] = &self.norms;
        let all = || {
            let x = around(x, first, (self.norm_first, ctx), |x| {
                let (y, _) = self.self_attn.forward(x, x, x, &masks.attention(), ctx)?;
                self.dropout.forward(&y, ctx)
            })?;
            around(&x, second, (self.norm_first, ctx), |x| {
                self.feedforward.forward(x, ctx)
            })
        };
        all().at(|| self.path.as_str())
    }
}

/// Self-attention, attention to an encoder's output, and two linear layers; `torch.nn.TransformerDecoderLayer`, with its keys
/// `self_attn.…`, `multihead_attn.…`, `linear1.…`, `linear2.…`, `norm1.…`, `norm2.…`, `norm3.…`.
#[derive(Clone, Debug)]
pub struct TransformerDecoderLayer {
    path: String,
    self_attn: MultiheadAttention,
    multihead_attn: MultiheadAttention,
    feedforward: Feedforward,
    norms: [LayerNorm; 3],
    dropouts: [Dropout; 2],
    norm_first: bool,
}

impl TransformerDecoderLayer {
    /// A layer of this width and number of heads.
    ///
    /// # Errors
    /// As [`MultiheadAttention::new`].
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &TransformerConfig,
    ) -> Result<Self> {
        Self::with_init(scope, width, heads, config, false)
    }

    fn with_init(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &TransformerConfig,
        xavier: bool,
    ) -> Result<Self> {
        let norm = |name: &str| norm(&scope.at(name), width, config);
        let dropout = |name: &str| Dropout::new(&scope.at(name), config.dropout);
        Ok(Self {
            path: scope.path().to_owned(),
            self_attn: attention(&scope.at("self_attn"), width, heads, config, xavier)?,
            multihead_attn: attention(&scope.at("multihead_attn"), width, heads, config, xavier)?,
            feedforward: Feedforward::new(scope, width, config, "dropout3", xavier)?,
            norms: [norm("norm1")?, norm("norm2")?, norm("norm3")?],
            dropouts: [dropout("dropout1"), dropout("dropout2")],
            norm_first: config.norm_first,
        })
    }

    /// The output, like the input; `memory` is what the encoder gave, `own` and `other` mask the two attentions.
    ///
    /// # Errors
    /// Those of the ops, with the module's path in front.
    pub fn forward(
        &self,
        x: &Var,
        memory: &Var,
        own: &SequenceMasks<'_>,
        other: &SequenceMasks<'_>,
        ctx: &Ctx,
    ) -> Result<Var> {
        let ([first, second, third], [drop1, drop2]) = (&self.norms, &self.dropouts);
        let all = || {
            let x = around(x, first, (self.norm_first, ctx), |x| {
                let (y, _) = self.self_attn.forward(x, x, x, &own.attention(), ctx)?;
                drop1.forward(&y, ctx)
            })?;
            let x = around(&x, second, (self.norm_first, ctx), |x| {
                let (y, _) =
                    self.multihead_attn
                        .forward(x, memory, memory, &other.attention(), ctx)?;
                drop2.forward(&y, ctx)
            })?;
            around(&x, third, (self.norm_first, ctx), |x| {
                self.feedforward.forward(x, ctx)
            })
        };
        all().at(|| self.path.as_str())
    }
}

/// Encoder layers and maybe a norm; `torch.nn.TransformerEncoder`, with its keys `layers.0.…` and `norm.…`.
///
/// The layers start from values of their own (PyTorch copies those of one).
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerEncoderLayer>,
    norm: Option<LayerNorm>,
}

impl TransformerEncoder {
    /// `count` layers; `norm` adds a last layer norm.
    ///
    /// # Errors
    /// As [`MultiheadAttention::new`].
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        count: usize,
        norm: bool,
        config: &TransformerConfig,
    ) -> Result<Self> {
        Self::with_init(scope, [width, heads, count], norm, config, false)
    }

    fn with_init(
        scope: &Scope,
        [width, heads, count]: [usize; 3],
        norm: bool,
        config: &TransformerConfig,
        xavier: bool,
    ) -> Result<Self> {
        let layer = |i| {
            TransformerEncoderLayer::with_init(
                &scope.at("layers").at(i),
                width,
                heads,
                config,
                xavier,
            )
        };
        let layers = (0..count).map(layer).collect::<Result<Vec<_>>>()?;
        let last = || self::norm(&scope.at("norm"), width, config);
        Ok(Self {
            layers,
            norm: norm.then(last).transpose()?,
        })
    }

    /// The output of the last layer, normed.
    ///
    /// # Errors
    /// Those of the layers.
    pub fn forward(&self, x: &Var, masks: &SequenceMasks<'_>, ctx: &Ctx) -> Result<Var> {
        let layers = self.layers.iter();
        let x = layers
            .clone()
            .try_fold(x.clone(), |x, layer| layer.forward(&x, masks, ctx))?;
        self.norm
            .as_ref()
            .map_or(Ok(x.clone()), |norm| norm.forward(&x, ctx))
    }
}

/// Decoder layers and maybe a norm; `torch.nn.TransformerDecoder`, with its keys `layers.0.…` and `norm.…`.
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    layers: Vec<TransformerDecoderLayer>,
    norm: Option<LayerNorm>,
}

impl TransformerDecoder {
    /// `count` layers; `norm` adds a last layer norm.
    ///
    /// # Errors
    /// As [`MultiheadAttention::new`].
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        count: usize,
        norm: bool,
        config: &TransformerConfig,
    ) -> Result<Self> {
        Self::with_init(scope, [width, heads, count], norm, config, false)
    }

    fn with_init(
        scope: &Scope,
        [width, heads, count]: [usize; 3],
        norm: bool,
        config: &TransformerConfig,
        xavier: bool,
    ) -> Result<Self> {
        let layer = |i| {
            TransformerDecoderLayer::with_init(
                &scope.at("layers").at(i),
                width,
                heads,
                config,
                xavier,
            )
        };
        let layers = (0..count).map(layer).collect::<Result<Vec<_>>>()?;
        let last = || self::norm(&scope.at("norm"), width, config);
        Ok(Self {
            layers,
            norm: norm.then(last).transpose()?,
        })
    }

    /// The output of the last layer, normed.
    ///
    /// # Errors
    /// Those of the layers.
    pub fn forward(
        &self,
        x: &Var,
        memory: &Var,
        own: &SequenceMasks<'_>,
        other: &SequenceMasks<'_>,
        ctx: &Ctx,
    ) -> Result<Var> {
        let layers = self.layers.iter();
        let x = layers.clone().try_fold(x.clone(), |x, layer| {
            layer.forward(&x, memory, own, other, ctx)
        })?;
        self.norm
            .as_ref()
            .map_or(Ok(x.clone()), |norm| norm.forward(&x, ctx))
    }
}

/// Encoder and decoder, each with a last norm; `torch.nn.Transformer`, with its keys `encoder.…` and `decoder.…`. All weights start by
/// Xavier.
#[derive(Clone, Debug)]
pub struct Transformer {
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
}

impl Transformer {
    /// A transformer of this width and number of heads, with `[encoder, decoder]` layers (PyTorch's defaults: 512, 8, `[6, 6]`).
    ///
    /// # Errors
    /// As [`MultiheadAttention::new`].
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        layers: [usize; 2],
        config: &TransformerConfig,
    ) -> Result<Self> {
        let [encoder, decoder] = layers.map(|count| [width, heads, count]);
        Ok(Self {
            encoder: TransformerEncoder::with_init(
                &scope.at("encoder"),
                encoder,
                true,
                config,
                true,
            )?,
            decoder: TransformerDecoder::with_init(
                &scope.at("decoder"),
                decoder,
                true,
                config,
                true,
            )?,
        })
    }

    /// The encoder.
    pub fn encoder(&self) -> &TransformerEncoder {
        &self.encoder
    }

    /// The decoder.
    pub fn decoder(&self) -> &TransformerDecoder {
        &self.decoder
    }

    /// The decoder's output for the target sequence, given the source sequence; `masks` are those of source, target and memory.
    ///
    /// # Errors
    /// Those of the layers.
    pub fn forward(
        &self,
        source: &Var,
        target: &Var,
        [of_source, of_target, of_memory]: [&SequenceMasks<'_>; 3],
        ctx: &Ctx,
    ) -> Result<Var> {
        let memory = self.encoder.forward(source, of_source, ctx)?;
        self.decoder
            .forward(target, &memory, of_target, of_memory, ctx)
    }

    /// The mask of a sequence whose elements see none behind them: `(L, L)`, -∞ above the diagonal, as
    /// `Transformer.generate_square_subsequent_mask`.
    ///
    /// # Errors
    /// [`gradus_autograd::Error::OutOfMemory`].
    pub fn square_subsequent_mask(len: usize) -> Result<Var> {
        let mask = Tensor::build([len, len], |dst: &mut [f32]| {
            for (i, x) in dst.iter_mut().enumerate() {
                *x = if i % len > i / len {
                    f32::NEG_INFINITY
                } else {
                    0.0
                };
            }
        })?;
        Ok(Var::constant(mask))
    }
}
