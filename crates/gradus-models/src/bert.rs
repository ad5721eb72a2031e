//! BERT, RoBERTa and DistilBERT: encoders that read a text from both sides. Letters: B sequences of T tokens, E the width.
//!
//! Parameters have transformers' names, so that its checkpoints load as they are. The three differ in names, in how positions are counted,
//! in whether there are kinds of tokens, and in their heads; all else is one encoder.

mod config;
mod head;

use std::sync::Arc;

use gradus_autograd::ops::EmbeddingConfig;
use gradus_autograd::{Result, ResultExt, Tensor, Var, recompute};
use gradus_nn::{Ctx, Dropout, Embedding, LayerNorm, LayerNormConfig, Linear, Module, Scope};
use serde_json::Value;

use crate::pretrained::{Activation, Sequences, require_sequences};
use crate::self_attention::SelfAttention;
use crate::{Architecture, FolderConfig, Head, ModelResult, TextModel};
use config::{BertConfig, Names};
use head::{HeadLayers, Pooler};

/// An encoder of BERT's family with a head.
#[derive(Clone, Debug)]
pub struct Bert {
    config: BertConfig,
    keys: FolderConfig,
    kind: Head,
    embeddings: Embeddings,
    layers: Vec<Arc<Layer>>,
    head: HeadLayers,
}

impl Bert {
    /// A fresh model of a configuration whose `model_type` is `bert`, `roberta` or `distilbert`, at `scope`.
    ///
    /// Linear layers and tables start normal with the configuration's `initializer_range`, biases at 0, as in transformers.
    ///
    /// # Errors
    /// [`crate::ModelError::Config`] for a configuration of something else; [`crate::ModelError::Head`] for [`Head::CausalLm`]; those of making the
    /// parameters.
    pub fn new(scope: &Scope, config: &FolderConfig, head: Head) -> ModelResult<Self> {
        let keys = config;
        let config = BertConfig::read(keys)?;
        let prefix = config.architecture.base_prefix().trim_end_matches('.');
        let base = match head {
            Head::None | Head::Pooled => scope.clone(),
            _ => scope.at(prefix),
        };
        let embeddings = Embeddings::new(&base.at("embeddings"), &config)?;
        let blocks = base.at(config.names().layers);
        let layers = (0..config.layers)
            .map(|i| Ok(Arc::new(Layer::new(&blocks.at(i), &config)?)))
            .collect::<Result<_>>()?;
        let pooler = Pooler::new(&base, &config, &head)?;
        Ok(Self {
            head: HeadLayers::new(scope, &config, keys, &head, pooler)?,
            kind: head,
            keys: keys.clone(),
            config,
            embeddings,
            layers,
        })
    }

    /// The hidden states `(B, T, E)` of the last layer. `types` (i64, `(B, T)`) are the kinds of the tokens, all 0 if not given; DistilBERT
    /// and models of one kind take none.
    ///
    /// # Errors
    /// As [`TextModel::forward`]; [`gradus_nn::Error::IndexOutOfRange`] for a kind that there is not.
    pub fn hidden(
        &self,
        tokens: &Tensor,
        mask: Option<&Tensor>,
        types: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<Var> {
        let positions = Some(self.config.usable_positions());
        let all = require_sequences(tokens, mask, self.config.vocab, positions)?;
        let mut x = self.embeddings.forward(tokens, types, &self.config, ctx)?;
        let mask = seen_keys(mask, &all)?;
        for layer in &self.layers {
            x = if self.keys.recompute() {
                let (layer, mask, ctx) = (Arc::clone(layer), mask.clone(), *ctx);
                recompute(move || layer.forward(&x, mask.as_ref(), &ctx))?
            } else {
                layer.forward(&x, mask.as_ref(), ctx)?
            };
        }
        Ok(x)
    }

    /// [`TextModel::forward`] with the kinds of the tokens, as [`Bert::hidden`] takes them.
    ///
    /// # Errors
    /// As [`Bert::hidden`].
    pub fn forward_with_types(
        &self,
        tokens: &Tensor,
        mask: Option<&Tensor>,
        types: Option<&Tensor>,
        ctx: &Ctx,
    ) -> Result<Var> {
        let hidden = self.hidden(tokens, mask, types, ctx)?;
        self.head
            .forward(&hidden, mask, self.embeddings.word.weight(), ctx)
    }
}

/// The mask of attention, `(B, 1, 1, T)`: none where all tokens are real.
fn seen_keys(mask: Option<&Tensor>, all: &Sequences) -> Result<Option<Var>> {
    let Some(mask) = mask else {
        return Ok(None);
    };
    if mask.to_vec::<bool>()?.iter().all(|&real| real) {
        return Ok(None);
    }
    let shape = [all.count, 1, 1, all.len];
    Var::constant(mask.clone()).reshape(shape).map(Some)
}

impl TextModel for Bert {
    fn architecture(&self) -> Architecture {
        self.config.architecture
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab
    }

    fn max_positions(&self) -> Option<usize> {
        Some(self.config.usable_positions())
    }

    fn width(&self) -> usize {
        self.config.width
    }

    fn forward(&self, tokens: &Tensor, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var> {
        self.forward_with_types(tokens, mask, None, ctx)
    }

    fn config_json(&self) -> Value {
        self.config.json(&self.keys, &self.kind)
    }

    fn tied_keys(&self) -> Vec<[String; 2]> {
        head::tied_keys(self.config.architecture, &self.kind)
    }
}

/// Tokens, positions and kinds as vectors, added, normed, and dropped from in training.
#[derive(Clone, Debug)]
struct Embeddings {
    path: String,
    word: Embedding,
    position: Embedding,
    kind: Option<Embedding>,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    fn new(scope: &Scope, config: &BertConfig) -> Result<Self> {
        let table = |name: &str, rows, padding: Option<usize>| {
            let padding_idx = padding.map(|at| at as i64);
            let options = EmbeddingConfig {
                padding_idx,
                ..EmbeddingConfig::default()
            };
            Embedding::with_init(&scope.at(name), rows, config.width, &options, config.init)
        };
        let roberta = config.architecture == Architecture::Roberta;
        let padding = config.padding.filter(|_| roberta);
        let kinds = || table("token_type_embeddings", config.kinds, None);
        Ok(Self {
            path: scope.path().to_owned(),
            word: table("word_embeddings", config.vocab, config.padding)?,
            position: table("position_embeddings", config.positions, padding)?,
            kind: (config.kinds > 0).then(kinds).transpose()?,
            norm: norm(&scope.at("LayerNorm"), config)?,
            dropout: Dropout::new(&scope.at("dropout"), config.dropout),
        })
    }

    fn forward(
        &self,
        tokens: &Tensor,
        types: Option<&Tensor>,
        config: &BertConfig,
        ctx: &Ctx,
    ) -> Result<Var> {
        let mut x = self.word.forward(tokens)?;
        match (&self.kind, types) {
            (Some(kind), Some(types)) => x = x.add(&kind.forward(types)?)?,
            (Some(kind), None) => {
                x = x.add(&kind.forward(&Tensor::from_slice(&[0_i64], [1])?)?)?;
            }
            (None, _) => {}
        }
        let places = self.position.forward(&config.place_ids(tokens)?)?;
        let x = x.add(&places).at(|| self.path.as_str())?;
        self.dropout.forward(&self.norm.forward(&x, ctx)?, ctx)
    }
}

/// Attention and two linear layers, each with a norm behind.
#[derive(Clone, Debug)]
struct Layer {
    attention: SelfAttention,
    norms: [LayerNorm; 2],
    up: Linear,
    down: Linear,
    activation: Activation,
    dropouts: [Dropout; 2],
}

impl Layer {
    fn new(scope: &Scope, config: &BertConfig) -> Result<Self> {
        let Names {
            attention,
            norms,
            feedforward,
            ..
        } = config.names();
        let linear = |name: &str, inputs, outputs| {
            Linear::with_init(&scope.at(name), inputs, outputs, true, config.init)
        };
        let (width, inner) = (config.width, config.inner);
        let dropout = |name: &str, p| Dropout::new(&scope.at(name).at("dropout"), p);
        Ok(Self {
            attention: SelfAttention::new(scope, *attention, config.attention(), config.init)?,
            norms: [
                norm(&scope.at(norms[0]), config)?,
                norm(&scope.at(norms[1]), config)?,
            ],
            up: linear(feedforward[0], width, inner)?,
            down: linear(feedforward[1], inner, width)?,
            activation: config.activation,
            dropouts: [
                dropout("attention.output", config.attention_output_dropout()),
                dropout("output", config.dropout),
            ],
        })
    }

    fn forward(&self, x: &Var, mask: Option<&Var>, ctx: &Ctx) -> Result<Var> {
        let attended = self.attention.forward(x, mask, ctx)?;
        let attended = self.dropouts[0].forward(&attended, ctx)?;
        let x = self.norms[0].forward(&attended.add(x)?, ctx)?;
        let inner = self.activation.apply(&self.up.forward(&x, ctx)?)?;
        let out = self.down.forward(&inner, ctx)?;
        let out = self.dropouts[1].forward(&out, ctx)?;
        self.norms[1].forward(&out.add(&x)?, ctx)
    }
}

fn norm(scope: &Scope, config: &BertConfig) -> Result<LayerNorm> {
    let options = LayerNormConfig {
        eps: config.eps,
        ..LayerNormConfig::default()
    };
    LayerNorm::new(scope, &[config.width], &options)
}
