//! GPT-2: Radford et al. 2019, "Language models are unsupervised multitask learners".

use std::sync::Arc;

use gradus_autograd::ops::EmbeddingConfig;
use gradus_autograd::{Parameter, Result, ResultExt, Tensor, Var, no_grad};
use gradus_nn::{
    Adapter, Ctx, Dropout, Embedding, Init, LayerNorm, LayerNormConfig, Module, Scope, WeightLayout,
};
use serde_json::Value;

use crate::decoder::{
    Attend, Block, DecoderHead, HeadOptions, Pass, attend, config_json, heads, last_place,
    layers_of, remembered, run, run_cached,
};
use crate::pretrained::Activation;
use crate::{Architecture, CausalLm, FolderConfig, Head, KvCache, ModelResult, TextModel};

/// What a [`Gpt2`] is made of, by `config.json`, with transformers' defaults.
#[derive(Clone, Debug)]
struct Config {
    vocab: usize,
    positions: usize,
    width: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    activation: Activation,
    dropout: f64,
    embedding_dropout: f64,
    attention_dropout: f64,
    head_dropout: f64,
    eps: f64,
    std: f64,
    scaled: bool,
    scaled_by_layer: bool,
    tied: bool,
    recompute: bool,
}

impl Config {
    fn read(config: &FolderConfig) -> ModelResult<Self> {
        let width = config.size_or("n_embd", 768)?;
        let heads = config.size_or("n_head", 12)?;
        if !width.is_multiple_of(heads) {
            return Err(config.wrong("n_head", format!("a divisor of n_embd, {width}")));
        }
        if config.flag_or("add_cross_attention", false)? {
            return Err(config.wrong("add_cross_attention", "false: this is a decoder alone"));
        }
        let dropout = config.share_or("resid_pdrop", 0.1)?;
        let head_dropout = config.share_or("hidden_dropout", 0.1)?;
        Ok(Self {
            vocab: config.size_or("vocab_size", 50_257)?,
            positions: config.size_or("n_positions", 1024)?,
            width,
            layers: layers_of(config, "n_layer", 12)?,
            heads,
            inner: config.size_or("n_inner", width.saturating_mul(4))?,
            activation: Activation::read(config, "activation_function", "gelu_new")?,
            dropout,
            embedding_dropout: config.share_or("embd_pdrop", 0.1)?,
            attention_dropout: config.share_or("attn_pdrop", 0.1)?,
            head_dropout: config.share_or("classifier_dropout", head_dropout)?,
            eps: config.number_or("layer_norm_epsilon", 1e-5)?,
            std: config.number_or("initializer_range", 0.02)?,
            scaled: config.flag_or("scale_attn_weights", true)?,
            scaled_by_layer: config.flag_or("scale_attn_by_inverse_layer_idx", false)?,
            tied: config.flag_or("tie_word_embeddings", true)?,
            recompute: config.recompute(),
        })
    }

    fn normal(&self) -> Init {
        Init::Normal {
            mean: 0.0,
            std: self.std,
        }
    }

    /// How projections into the residual stream start: smaller the more there are.
    fn residual(&self) -> Init {
        Init::Normal {
            mean: 0.0,
            std: self.std / (2.0 * self.layers as f64).sqrt(),
        }
    }

    fn norm(&self, scope: &Scope) -> Result<LayerNorm> {
        let config = LayerNormConfig {
            eps: self.eps,
            ..LayerNormConfig::default()
        };
        LayerNorm::new(scope, &[self.width], &config)
    }
}

/// `y = x · weight + bias` with a weight `(in, out)`, as GPT-2's checkpoints have it; transformers' `Conv1D`.
#[derive(Clone, Debug)]
struct Conv1D {
    path: String,
    weight: Parameter,
    bias: Parameter,
    adapter: Option<Adapter>,
}

impl Conv1D {
    fn new(scope: &Scope, inputs: usize, outputs: usize, init: Init) -> Result<Self> {
        let weight = scope.parameter("weight", [inputs, outputs], init)?;
        Ok(Self {
            path: scope.path().to_owned(),
            bias: scope.parameter("bias", [outputs], Init::Zeros)?,
            adapter: Adapter::of(scope, &weight, WeightLayout::InOut)?,
            weight,
        })
    }

    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let weight = self.weight.var().transpose(0, 1)?;
        let y = x
            .linear(&weight, Some(&self.bias.var()))
            .at(|| self.path.as_str())?;
        match &self.adapter {
            Some(adapter) => adapter.add(&y, x, ctx),
            None => Ok(y),
        }
    }
}

/// One layer: attention and a perceptron, each with its norm before it.
struct Gpt2Block {
    layer: usize,
    head_width: usize,
    options: Attend,
    ln_1: LayerNorm,
    c_attn: Conv1D,
    attn_proj: Conv1D,
    attn_drop: Dropout,
    ln_2: LayerNorm,
    c_fc: Conv1D,
    mlp_proj: Conv1D,
    mlp_drop: Dropout,
    activation: Activation,
}

impl Gpt2Block {
    fn new(scope: &Scope, layer: usize, config: &Config) -> Result<Self> {
        let (width, head_width) = (config.width, config.width / config.heads);
        let (attn, mlp) = (scope.at("attn"), scope.at("mlp"));
        let by_width = if config.scaled {
            1.0 / (head_width as f64).sqrt()
        } else {
            1.0
        };
        let by_layer = if config.scaled_by_layer {
            (layer + 1) as f64
        } else {
            1.0
        };
        Ok(Self {
            layer,
            head_width,
            options: Attend {
                scale: by_width / by_layer,
                dropout: config.attention_dropout,
                stream: attn.at("attn_dropout").stream(),
            },
            ln_1: config.norm(&scope.at("ln_1"))?,
            c_attn: Conv1D::new(
                &attn.at("c_attn"),
                width,
                width.saturating_mul(3),
                config.normal(),
            )?,
            attn_proj: Conv1D::new(&attn.at("c_proj"), width, width, config.residual())?,
            attn_drop: Dropout::new(&attn.at("resid_dropout"), config.dropout),
            ln_2: config.norm(&scope.at("ln_2"))?,
            c_fc: Conv1D::new(&mlp.at("c_fc"), width, config.inner, config.normal())?,
            mlp_proj: Conv1D::new(&mlp.at("c_proj"), config.inner, width, config.residual())?,
            mlp_drop: Dropout::new(&mlp.at("dropout"), config.dropout),
            activation: config.activation,
        })
    }

    fn attention(
        &self,
        x: &Var,
        pass: &Pass,
        cache: Option<&mut KvCache>,
        ctx: &Ctx,
    ) -> Result<Var> {
        let parts = self.c_attn.forward(x, ctx)?.chunk(3, -1)?;
        let mut parts = parts
            .iter()
            .map(|part| heads(part, self.head_width)?.transpose(1, 2));
        let mut next = || {
            parts.next().unwrap_or(Err(gradus_autograd::Error::Length {
                op: "attention",
                expected: 3,
                got: 0,
            }))
        };
        let (query, key, value) = (next()?, next()?, next()?);
        let [key, value] = remembered(cache, self.layer, key, value)?;
        let y = attend([&query, &key, &value], &pass.full, self.options, ctx)?;
        self.attn_drop
            .forward(&self.attn_proj.forward(&y, ctx)?, ctx)
    }
}

impl Block for Gpt2Block {
    fn forward(&self, x: &Var, pass: &Pass, cache: Option<&mut KvCache>, ctx: &Ctx) -> Result<Var> {
        let x = x.add(&self.attention(&self.ln_1.forward(x, ctx)?, pass, cache, ctx)?)?;
        let y = self.c_fc.forward(&self.ln_2.forward(&x, ctx)?, ctx)?;
        let y = self.mlp_proj.forward(&self.activation.apply(&y)?, ctx)?;
        x.add(&self.mlp_drop.forward(&y, ctx)?)
    }
}

/// GPT-2 with a head.
///
/// # Shapes
/// Tokens `(B, T)`, T at most `n_positions`; the output is the head's. Parameters are named as in transformers: `transformer.wte.weight`,
/// `transformer.h.0.attn.c_attn.weight` `(in, out)`, …; without the prefix if there is no head.
pub struct Gpt2 {
    config: Config,
    folder: FolderConfig,
    wte: Embedding,
    wpe: Embedding,
    drop: Dropout,
    blocks: Vec<Arc<Gpt2Block>>,
    ln_f: LayerNorm,
    head: DecoderHead,
    kind: Head,
    base: &'static str,
}

impl Gpt2 {
    /// A model of these options at `scope`, with fresh weights: normal with `initializer_range`, projections into the residual stream
    /// smaller by the root of their number.
    ///
    /// # Errors
    /// [`crate::ModelError::Config`] for a configuration that it does not take; [`crate::ModelError::Head`] for a masked language model;
    /// [`crate::ModelError::Tensor`] if a layer cannot be made.
    pub fn new(scope: &Scope, folder: &FolderConfig, kind: Head) -> ModelResult<Self> {
        let config = Config::read(folder)?;
        let (root, base) = match kind {
            Head::None | Head::Pooled => (scope.clone(), ""),
            _ => (scope.at("transformer"), "transformer."),
        };
        let plain = EmbeddingConfig::default();
        let table = |name: &str, rows| {
            Embedding::with_init(&root.at(name), rows, config.width, &plain, config.normal())
        };
        let (wte, wpe) = (table("wte", config.vocab)?, table("wpe", config.positions)?);
        let block = |i| Gpt2Block::new(&root.at("h").at(i), i, &config).map(Arc::new);
        let blocks = (0..config.layers).map(block).collect::<Result<_>>()?;
        let ln_f = config.norm(&root.at("ln_f"))?;
        let options = HeadOptions {
            architecture: Architecture::Gpt2,
            width: config.width,
            vocab: config.vocab,
            std: config.std,
            dropout: config.head_dropout,
            token_name: "classifier",
            tied: config.tied.then(|| wte.weight()),
        };
        let head = DecoderHead::new(scope, &kind, &options)?;
        Ok(Self {
            folder: folder.clone(),
            drop: Dropout::new(&root.at("drop"), config.embedding_dropout),
            config,
            wte,
            wpe,
            blocks,
            ln_f,
            head,
            kind,
            base,
        })
    }

    fn embed(&self, tokens: &Tensor, pass: &Pass, ctx: &Ctx) -> Result<Var> {
        let x = self
            .wte
            .forward(tokens)?
            .add(&self.wpe.forward(&pass.positions)?)?;
        self.drop.forward(&x, ctx)
    }
}

impl TextModel for Gpt2 {
    fn architecture(&self) -> Architecture {
        Architecture::Gpt2
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab
    }

    fn max_positions(&self) -> Option<usize> {
        Some(self.config.positions)
    }

    fn width(&self) -> usize {
        self.config.width
    }

    fn forward(&self, tokens: &Tensor, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var> {
        let (vocab, positions) = (self.config.vocab, Some(self.config.positions));
        let pass = Pass::whole(tokens, mask, vocab, positions, None)?;
        let x = self.embed(tokens, &pass, ctx)?;
        let x = run(&self.blocks, x, pass, ctx, self.config.recompute)?;
        self.head.forward(&self.ln_f.forward(&x, ctx)?, mask, ctx)
    }

    fn as_causal(&self) -> Option<&dyn CausalLm> {
        self.head.is_causal_lm().then_some(self as &dyn CausalLm)
    }

    fn config_json(&self) -> Value {
        let class = match self.kind {
            Head::SequenceClassification { .. } => "GPT2ForSequenceClassification",
            Head::TokenClassification { .. } => "GPT2ForTokenClassification",
            Head::CausalLm => "GPT2LMHeadModel",
            _ => "GPT2Model",
        };
        config_json(&self.folder, class, &self.kind)
    }

    fn tied_keys(&self) -> Vec<[String; 2]> {
        if !matches!(self.head, DecoderHead::Tied(_)) {
            return Vec::new();
        }
        vec![[
            "lm_head.weight".to_owned(),
            format!("{}wte.weight", self.base),
        ]]
    }
}

impl CausalLm for Gpt2 {
    fn step(&self, tokens: &Tensor, cache: &mut KvCache, ctx: &Ctx) -> Result<Tensor> {
        let (vocab, positions) = (self.config.vocab, Some(self.config.positions));
        let pass = Pass::next(tokens, cache, vocab, positions, None)?;
        no_grad(|| {
            let x = self.embed(tokens, &pass, ctx)?;
            let x = run_cached(&self.blocks, x, &pass, cache, ctx)?;
            let x = self.ln_f.forward(&last_place(&x)?, ctx)?;
            Ok(self.head.forward(&x, None, ctx)?.squeeze(1)?.into_tensor())
        })
    }

    fn cache_layers(&self) -> usize {
        self.config.layers
    }
}
