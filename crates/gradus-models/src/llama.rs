//! LLaMA and its relatives: RMS norm, rotary positions, grouped keys, a gated perceptron. Touvron et al. 2023, arXiv:2302.13971;
//! Mistral with its window of attention (arXiv:2310.06825); Qwen2 with biases of queries, keys and values (arXiv:2407.10671).

use std::sync::Arc;

use gradus_autograd::ops::EmbeddingConfig;
use gradus_autograd::{Result, Tensor, Var, no_grad};
use gradus_nn::{Ctx, Embedding, Init, Linear, Module, RMSNorm, Scope};
use serde_json::Value;

use crate::decoder::{
    Attend, Block, DecoderHead, HeadOptions, Pass, attend, config_json, heads, last_place,
    layers_of, remembered, run, run_cached,
};
use crate::pretrained::Activation;
use crate::rope::{Rope, rotate, turned};
use crate::{Architecture, CausalLm, FolderConfig, Head, KvCache, ModelResult, TextModel};

/// What a [`Llama`] is made of, by `config.json`, with transformers' defaults.
#[derive(Clone, Debug)]
struct Config {
    architecture: Architecture,
    vocab: usize,
    width: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    groups: usize,
    head_width: usize,
    positions: usize,
    activation: Activation,
    eps: f64,
    std: f64,
    attention_dropout: f64,
    head_dropout: f64,
    /// Biases of queries, keys and values; of the attention's output; of the perceptron.
    biases: [bool; 3],
    /// How many places a layer sees, for those of `windowed`.
    window: Option<usize>,
    windowed: Vec<bool>,
    rope: Rope,
    padding: Option<i64>,
    tied: bool,
    recompute: bool,
}

impl Config {
    fn read(config: &FolderConfig) -> ModelResult<Self> {
        let architecture = config.architecture()?;
        let qwen = architecture == Architecture::Qwen2;
        let (width, inner, positions) = match architecture {
            Architecture::Qwen2 => (4096, 22_016, 32_768),
            Architecture::Mistral => (4096, 14_336, 131_072),
            _ => (4096, 11_008, 2048),
        };
        let width = config.size_or("hidden_size", width)?;
        let heads = config.size_or("num_attention_heads", 32)?;
        let groups = if architecture == Architecture::Mistral {
            8
        } else {
            heads
        };
        let groups = config.size_or("num_key_value_heads", groups)?;
        if !heads.is_multiple_of(groups) {
            let rule = format!("a divisor of num_attention_heads, {heads}");
            return Err(config.wrong("num_key_value_heads", rule));
        }
        let head_width = match config.optional_size("head_dim")? {
            Some(given) => given,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let rule = format!("a divisor of hidden_size, {width}");
                return Err(config.wrong("num_attention_heads", rule));
            }
        };
        let layers = layers_of(config, "num_hidden_layers", 32)?;
        let window = window_of(config, architecture)?;
        let llama = architecture == Architecture::Llama;
        let attention_bias = config.flag_or("attention_bias", false)? && llama;
        let mlp_bias = config.flag_or("mlp_bias", false)? && llama;
        let head_dropout = config.share_or("hidden_dropout", 0.1)?;
        let vocab = config.size_or("vocab_size", if qwen { 151_936 } else { 32_000 })?;
        let padding = config.optional_count("pad_token_id")?;
        Ok(Self {
            architecture,
            vocab,
            width,
            inner: config.size_or("intermediate_size", inner)?,
            layers,
            heads,
            groups,
            head_width,
            positions: config.count_or("max_position_embeddings", positions)?,
            activation: Activation::read(config, "hidden_act", "silu")?,
            eps: config.number_or("rms_norm_eps", 1e-6)?,
            std: config.number_or("initializer_range", 0.02)?,
            attention_dropout: config.share_or("attention_dropout", 0.0)?,
            head_dropout: config.share_or("classifier_dropout", head_dropout)?,
            biases: [qwen || attention_bias, attention_bias, mlp_bias],
            window,
            windowed: windowed_layers(config, architecture, layers, window)?,
            rope: Rope::read(config, head_width)?,
            padding: padding.filter(|&id| id < vocab).map(|id| id as i64),
            tied: config.flag_or("tie_word_embeddings", false)?,
            recompute: config.recompute(),
        })
    }

    fn linear(&self, scope: &Scope, sizes: [usize; 2], bias: bool) -> Result<Linear> {
        Linear::with_init(scope, sizes[0], sizes[1], bias, self.normal())
    }

    fn norm(&self, scope: &Scope) -> Result<RMSNorm> {
        RMSNorm::new(scope, &[self.width], Some(self.eps))
    }

    fn normal(&self) -> Init {
        Init::Normal {
            mean: 0.0,
            std: self.std,
        }
    }
}

/// The window of attention, if the configuration has one that is on.
fn window_of(config: &FolderConfig, architecture: Architecture) -> ModelResult<Option<usize>> {
    let given = config.optional_count("sliding_window")?;
    let window = match architecture {
        // a file that leaves the key out means the default, one with null means none
        Architecture::Mistral if !config.keys().contains_key("sliding_window") => Some(4096),
        Architecture::Mistral => given,
        Architecture::Qwen2 if config.flag_or("use_sliding_window", false)? => {
            Some(given.unwrap_or(4096))
        }
        _ => None,
    };
    if window == Some(0) {
        return Err(config.wrong("sliding_window", "at least 1, or null"));
    }
    Ok(window)
}

/// Which layers see the window only.
fn windowed_layers(
    config: &FolderConfig,
    architecture: Architecture,
    layers: usize,
    window: Option<usize>,
) -> ModelResult<Vec<bool>> {
    if window.is_none() || architecture != Architecture::Qwen2 {
        return Ok(vec![window.is_some(); layers]);
    }
    let Some(types) = config.get("layer_types") else {
        let first = config.count_or("max_window_layers", 28)?;
        return Ok((0..layers).map(|layer| layer >= first).collect());
    };
    let wrong = || {
        let rule = format!("{layers} of \"full_attention\" and \"sliding_attention\"");
        config.wrong("layer_types", rule)
    };
    let types = types.as_array().filter(|types| types.len() == layers);
    let windowed = |kind: &Value| match kind.as_str() {
        Some("sliding_attention") => Ok(true),
        Some("full_attention") => Ok(false),
        _ => Err(wrong()),
    };
    types.ok_or_else(wrong)?.iter().map(windowed).collect()
}

/// One layer: attention and a gated perceptron, each with its norm before it.
struct LlamaBlock {
    layer: usize,
    head_width: usize,
    options: Attend,
    windowed: bool,
    input_layernorm: RMSNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_layernorm: RMSNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    activation: Activation,
}

impl LlamaBlock {
    fn new(scope: &Scope, layer: usize, config: &Config) -> Result<Self> {
        let (attn, mlp) = (scope.at("self_attn"), scope.at("mlp"));
        let [own, out, gated] = config.biases;
        let (width, inner) = (config.width, config.inner);
        let queries = config.heads.saturating_mul(config.head_width);
        let keys = config.groups.saturating_mul(config.head_width);
        let linear =
            |scope: &Scope, name: &str, sizes, bias| config.linear(&scope.at(name), sizes, bias);
        Ok(Self {
            layer,
            head_width: config.head_width,
            options: Attend {
                scale: 1.0 / (config.head_width as f64).sqrt(),
                dropout: config.attention_dropout,
                stream: attn.at("dropout").stream(),
            },
            windowed: config.windowed[layer],
            input_layernorm: config.norm(&scope.at("input_layernorm"))?,
            q_proj: linear(&attn, "q_proj", [width, queries], own)?,
            k_proj: linear(&attn, "k_proj", [width, keys], own)?,
            v_proj: linear(&attn, "v_proj", [width, keys], own)?,
            o_proj: linear(&attn, "o_proj", [queries, width], out)?,
            post_attention_layernorm: config.norm(&scope.at("post_attention_layernorm"))?,
            gate_proj: linear(&mlp, "gate_proj", [width, inner], gated)?,
            up_proj: linear(&mlp, "up_proj", [width, inner], gated)?,
            down_proj: linear(&mlp, "down_proj", [inner, width], gated)?,
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
        let project = |layer: &Linear| heads(&layer.forward(x, ctx)?, self.head_width);
        let query = turned(&project(&self.q_proj)?, pass.turns.queries())?.transpose(1, 2)?;
        let key = turned(&project(&self.k_proj)?, pass.turns.new_keys())?.transpose(1, 2)?;
        let value = project(&self.v_proj)?.transpose(1, 2)?;
        let [mut key, value] = remembered(cache, self.layer, key, value)?;
        if let Some(turn) = pass.turns.held_keys() {
            key = rotate(&key.transpose(1, 2)?, turn)?.transpose(1, 2)?;
        }
        let sight = if self.windowed {
            &pass.windowed
        } else {
            &pass.full
        };
        let y = attend([&query, &key, &value], sight, self.options, ctx)?;
        self.o_proj.forward(&y, ctx)
    }
}

impl Block for LlamaBlock {
    fn forward(&self, x: &Var, pass: &Pass, cache: Option<&mut KvCache>, ctx: &Ctx) -> Result<Var> {
        let y = self.input_layernorm.forward(x, ctx)?;
        let x = x.add(&self.attention(&y, pass, cache, ctx)?)?;
        let y = self.post_attention_layernorm.forward(&x, ctx)?;
        let gate = self.activation.apply(&self.gate_proj.forward(&y, ctx)?)?;
        let y = gate.mul(&self.up_proj.forward(&y, ctx)?)?;
        x.add(&self.down_proj.forward(&y, ctx)?)
    }
}

/// LLaMA, Mistral or Qwen2 with a head, by the configuration's `model_type`.
///
/// # Shapes
/// Tokens `(B, T)`; the output is the head's. Parameters are named as in transformers: `model.embed_tokens.weight`,
/// `model.layers.0.self_attn.q_proj.weight`, …; without the prefix if there is no head.
///
/// Sequences may be longer than `max_position_embeddings`, as in transformers: angles just go on. [`crate::generate`] stops there.
pub struct Llama {
    config: Config,
    folder: FolderConfig,
    embed_tokens: Embedding,
    blocks: Vec<Arc<LlamaBlock>>,
    norm: RMSNorm,
    head: DecoderHead,
    kind: Head,
    base: &'static str,
}

impl Llama {
    /// A model of these options at `scope`, with fresh weights: normal with `initializer_range`.
    ///
    /// # Errors
    /// [`crate::ModelError::Config`] for a configuration that it does not take; [`crate::ModelError::Head`] for a masked language model;
    /// [`crate::ModelError::Tensor`] if a layer cannot be made.
    pub fn new(scope: &Scope, folder: &FolderConfig, kind: Head) -> ModelResult<Self> {
        let config = Config::read(folder)?;
        let (root, base) = match kind {
            Head::None | Head::Pooled => (scope.clone(), ""),
            _ => (scope.at("model"), "model."),
        };
        let padded = EmbeddingConfig {
            padding_idx: config.padding,
            ..EmbeddingConfig::default()
        };
        let at = root.at("embed_tokens");
        let (vocab, width, init) = (config.vocab, config.width, config.normal());
        let embed_tokens = Embedding::with_init(&at, vocab, width, &padded, init)?;
        let layers = root.at("layers");
        let block = |i| LlamaBlock::new(&layers.at(i), i, &config).map(Arc::new);
        let blocks = (0..config.layers).map(block).collect::<Result<_>>()?;
        let norm = config.norm(&root.at("norm"))?;
        let options = HeadOptions {
            architecture: config.architecture,
            width,
            vocab,
            std: config.std,
            dropout: config.head_dropout,
            token_name: "score",
            tied: config.tied.then(|| embed_tokens.weight()),
        };
        let head = DecoderHead::new(scope, &kind, &options)?;
        Ok(Self {
            folder: folder.clone(),
            config,
            embed_tokens,
            blocks,
            norm,
            head,
            kind,
            base,
        })
    }

    fn turn(&self, mut pass: Pass, x: &Var) -> Result<Pass> {
        let positions = [&pass.positions, &pass.all_positions];
        pass.turns = self.config.rope.turns(positions, x.dtype())?;
        Ok(pass)
    }
}

impl TextModel for Llama {
    fn architecture(&self) -> Architecture {
        self.config.architecture
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab
    }

    fn max_positions(&self) -> Option<usize> {
        (!self.config.rope.is_dynamic()).then_some(self.config.positions)
    }

    fn width(&self) -> usize {
        self.config.width
    }

    fn forward(&self, tokens: &Tensor, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var> {
        let pass = Pass::whole(tokens, mask, self.config.vocab, None, self.config.window)?;
        let x = self.embed_tokens.forward(tokens)?;
        let pass = self.turn(pass, &x)?;
        let x = run(&self.blocks, x, pass, ctx, self.config.recompute)?;
        self.head.forward(&self.norm.forward(&x, ctx)?, mask, ctx)
    }

    fn as_causal(&self) -> Option<&dyn CausalLm> {
        self.head.is_causal_lm().then_some(self as &dyn CausalLm)
    }

    fn config_json(&self) -> Value {
        let family = match self.config.architecture {
            Architecture::Qwen2 => "Qwen2",
            Architecture::Mistral => "Mistral",
            _ => "Llama",
        };
        let end = match self.kind {
            Head::SequenceClassification { .. } => "ForSequenceClassification",
            Head::TokenClassification { .. } => "ForTokenClassification",
            Head::CausalLm => "ForCausalLM",
            _ => "Model",
        };
        config_json(&self.folder, &format!("{family}{end}"), &self.kind)
    }

    fn tied_keys(&self) -> Vec<[String; 2]> {
        if !matches!(self.head, DecoderHead::Tied(_)) {
            return Vec::new();
        }
        let own = format!("{}embed_tokens.weight", self.base);
        vec![["lm_head.weight".to_owned(), own]]
    }
}

impl CausalLm for Llama {
    fn step(&self, tokens: &Tensor, cache: &mut KvCache, ctx: &Ctx) -> Result<Tensor> {
        let pass = Pass::next(tokens, cache, self.config.vocab, None, self.config.window)?;
        no_grad(|| {
            let x = self.embed_tokens.forward(tokens)?;
            let pass = self.turn(pass, &x)?;
            let x = run_cached(&self.blocks, x, &pass, cache, ctx)?;
            let x = self.norm.forward(&last_place(&x)?, ctx)?;
            Ok(self.head.forward(&x, None, ctx)?.squeeze(1)?.into_tensor())
        })
    }

    fn cache_layers(&self) -> usize {
        self.config.layers
    }
}
