//! The vision transformer: Dosovitskiy et al. 2020, arXiv:2010.11929. Letters: B images of N patches, E the width.
//!
//! Parameters have the names of transformers' checkpoints, so that these load as they are.

use std::path::Path;
use std::sync::Arc;

use gradus_autograd::ops::Conv2dConfig;
use gradus_autograd::{DType, Error, Parameter, Result, ResultExt, Var, recompute};
use gradus_checkpoint::StateDict;
use gradus_nn::{
    Ctx, Dropout, Init, LayerNorm, LayerNormConfig, Linear, Module, ParamStore, Scope,
};
use serde_json::{Map, Value, json};

use crate::pretrained::{
    Activation, load_named, read_weights, size_of, write_folder, write_labels,
};
use crate::self_attention::{AttentionSize, SelfAttention};
use crate::{Architecture, FolderConfig, Head, Loaded, ModelResult};

/// The options of [`Vit`], with ViT-Base's defaults for images of 224×224.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VitConfig {
    /// Height and width of the images, in pixels. Default: 224×224.
    pub image: [usize; 2],
    /// Height and width of a patch. Default: 16×16.
    pub patch: [usize; 2],
    /// Channels of the images. Default: 3.
    pub channels: usize,
    /// E. Default: 768.
    pub width: usize,
    /// Blocks. Default: 12.
    pub layers: usize,
    /// Heads of each attention, a divisor of the width. Default: 12.
    pub heads: usize,
    /// The width between the linear layers of a block. Default: 3072.
    pub inner: usize,
    /// The probability of every dropout but that of attention, in training. Default: 0.
    pub dropout: f64,
    /// The probability of dropping a weight of attention, in training. Default: 0.
    pub attention_dropout: f64,
    /// Added to the variance of layer norms. Default: 1e-12.
    pub layer_norm_eps: f64,
    /// Whether queries, keys and values have biases. Default: yes.
    pub qkv_bias: bool,
    /// The standard deviation of initial weights. Default: 0.02.
    pub initializer_range: f64,
    /// Whether blocks are computed again in the backward, which keeps nothing of their inside. Default: no.
    pub recompute: bool,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            image: [224, 224],
            patch: [16, 16],
            channels: 3,
            width: 768,
            layers: 12,
            heads: 12,
            inner: 3072,
            dropout: 0.0,
            attention_dropout: 0.0,
            layer_norm_eps: 1e-12,
            qkv_bias: true,
            initializer_range: 0.02,
            recompute: false,
        }
    }
}

impl VitConfig {
    /// ViT-Tiny: width 192, 3 heads (Touvron et al. 2020, arXiv:2012.12877).
    pub fn tiny() -> Self {
        Self {
            width: 192,
            heads: 3,
            inner: 768,
            ..Self::default()
        }
    }

    /// Reads the keys of a `config.json` with `model_type` `vit`, with transformers' defaults.
    ///
    /// # Errors
    /// [`crate::ModelError::Config`] for a key that is not what it must be.
    pub fn read(keys: &FolderConfig) -> ModelResult<Self> {
        if keys.architecture()? != Architecture::Vit {
            return Err(keys.wrong("model_type", "\"vit\""));
        }
        let default = Self::default();
        let config = Self {
            image: sides(keys, "image_size", default.image)?,
            patch: sides(keys, "patch_size", default.patch)?,
            channels: keys.size_or("num_channels", default.channels)?,
            width: keys.size_or("hidden_size", default.width)?,
            layers: keys.count_or("num_hidden_layers", default.layers)?,
            heads: keys.size_or("num_attention_heads", default.heads)?,
            inner: keys.size_or("intermediate_size", default.inner)?,
            dropout: keys.share_or("hidden_dropout_prob", 0.0)?,
            attention_dropout: keys.share_or("attention_probs_dropout_prob", 0.0)?,
            layer_norm_eps: keys.number_or("layer_norm_eps", default.layer_norm_eps)?,
            qkv_bias: keys.flag_or("qkv_bias", true)?,
            initializer_range: keys.number_or("initializer_range", default.initializer_range)?,
            recompute: keys.recompute(),
        };
        if !config.width.is_multiple_of(config.heads) {
            let expected = format!("a multiple of num_attention_heads, {}", config.heads);
            return Err(keys.wrong("hidden_size", expected));
        }
        if config.layers > 10_000 {
            return Err(keys.wrong("num_hidden_layers", "at most 10000"));
        }
        if (0..2).any(|i| config.patch[i] == 0 || config.image[i] < config.patch[i]) {
            return Err(keys.wrong("patch_size", "at least 1 and at most image_size"));
        }
        if Activation::read(keys, "hidden_act", "gelu")? != Activation::Gelu {
            return Err(keys.wrong("hidden_act", "\"gelu\""));
        }
        Ok(config)
    }

    /// The keys of a `config.json`.
    fn keys(&self) -> Map<String, Value> {
        let side = |[height, width]: [usize; 2]| match height == width {
            true => json!(height),
            false => json!([height, width]),
        };
        let keys = json!({
            "model_type": "vit",
            "image_size": side(self.image),
            "patch_size": side(self.patch),
            "num_channels": self.channels,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner,
            "hidden_act": "gelu",
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.attention_dropout,
            "layer_norm_eps": self.layer_norm_eps,
            "qkv_bias": self.qkv_bias,
            "initializer_range": self.initializer_range,
        });
        keys.as_object().cloned().unwrap_or_default()
    }

    fn patches(&self) -> usize {
        (self.image[0] / self.patch[0]).saturating_mul(self.image[1] / self.patch[1])
    }
}

/// One side for both, or `[height, width]`.
fn sides(keys: &FolderConfig, key: &str, default: [usize; 2]) -> ModelResult<[usize; 2]> {
    let Some(value) = keys.get(key) else {
        return Ok(default);
    };
    let both = match value.as_array().map(Vec::as_slice) {
        Some([height, width]) => size_of(height).zip(size_of(width)),
        Some(_) => None,
        None => size_of(value).map(|side| (side, side)),
    };
    both.map(|(height, width)| [height, width])
        .ok_or_else(|| keys.wrong(key, "a side or [height, width], in pixels, each at least 1"))
}

/// A vision transformer: `(B, channels, height, width) -> (B, labels)`, or the hidden states `(B, 1 + N, E)` of one without labels.
#[derive(Clone, Debug)]
pub struct Vit {
    path: String,
    config: VitConfig,
    head: Head,
    class: Parameter,
    positions: Parameter,
    projection: [Parameter; 2],
    dropout: Dropout,
    layers: Vec<Arc<Layer>>,
    norm: LayerNorm,
    classifier: Option<Linear>,
}

impl Vit {
    /// A fresh model at `scope`, with a classifier if there are labels. Weights start as in transformers.
    ///
    /// # Errors
    /// [`Error::Argument`] if the heads do not divide the width, or a patch is empty or larger than the image; those of making the
    /// parameters.
    pub fn new(scope: &Scope, config: &VitConfig, labels: Option<&[String]>) -> Result<Self> {
        require(config)?;
        let base = labels.map_or_else(|| scope.clone(), |_| scope.at("vit"));
        let (width, std) = (config.width, config.initializer_range);
        let normal = Init::Normal { mean: 0.0, std };
        let embeddings = base.at("embeddings");
        let projection = embeddings.at("patch_embeddings.projection");
        let patch = [width, config.channels, config.patch[0], config.patch[1]];
        let blocks = base.at("encoder.layer");
        let layer = |i| Ok(Arc::new(Layer::new(&blocks.at(i), config, normal)?));
        let classifier = |labels: &[String]| {
            Linear::with_init(&scope.at("classifier"), width, labels.len(), true, normal)
        };
        let model = Self {
            path: embeddings.path().to_owned(),
            config: *config,
            head: labels.map_or(Head::None, |labels| Head::SequenceClassification {
                labels: labels.to_vec(),
            }),
            class: embeddings.parameter("cls_token", [1, 1, width], normal)?,
            positions: embeddings.parameter(
                "position_embeddings",
                [1, config.patches().saturating_add(1), width],
                normal,
            )?,
            projection: [
                projection.parameter("weight", patch, normal)?,
                projection.parameter("bias", [width], Init::Zeros)?,
            ],
            dropout: Dropout::new(&embeddings.at("dropout"), config.dropout),
            layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
            norm: norm(&base.at("layernorm"), config)?,
            classifier: labels.map(classifier).transpose()?,
        };
        if labels.is_none() {
            // transformers' model without a head has a pooler, which the hidden states do not pass.
            let pooler = Linear::with_init(&base.at("pooler.dense"), width, width, true, normal)?;
            pooler.weight().set_trainable(false);
            pooler
                .bias()
                .into_iter()
                .for_each(|p| p.set_trainable(false));
        }
        Ok(model)
    }

    /// The options.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Puts a checkpoint of transformers into the model's store, as [`crate::load_text_weights`] does; `path` says in messages where it
    /// is from.
    ///
    /// # Errors
    /// As [`crate::load_text_weights`].
    pub fn load(&self, store: &ParamStore, state: StateDict, path: &Path) -> ModelResult<Loaded> {
        load_named(store, Architecture::Vit, &[], state, path)
    }

    /// Writes a folder that transformers' `from_pretrained` opens.
    ///
    /// # Errors
    /// What the file system or the format refuses, with the path.
    pub fn export(&self, folder: &Path, store: &ParamStore) -> ModelResult<()> {
        let mut keys = self.config.keys();
        let class = match self.head {
            Head::None => "ViTModel",
            _ => "ViTForImageClassification",
        };
        keys.insert("architectures".into(), json!([class]));
        write_labels(&mut keys, &self.head);
        write_folder(folder, keys.into(), store)
    }

    /// The hidden states behind the last norm, `(B, 1 + N, E)`: the class token's, then the patches' row by row.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for images of another size or other channels; those of the ops; with the module's path in front.
    pub fn hidden(&self, images: &Var, ctx: &Ctx) -> Result<Var> {
        let mut x = self.embed(images, ctx).at(|| self.path.as_str())?;
        for layer in &self.layers {
            x = if self.config.recompute {
                let (layer, ctx) = (Arc::clone(layer), *ctx);
                recompute(move || layer.forward(&x, &ctx))?
            } else {
                layer.forward(&x, ctx)?
            };
        }
        self.norm.forward(&x, ctx)
    }

    fn embed(&self, images: &Var, ctx: &Ctx) -> Result<Var> {
        let VitConfig {
            image: [height, width],
            channels,
            patch,
            ..
        } = self.config;
        let [count, ..] = images.shape().to_array::<4>("vit")?;
        if images.dims()[1..] != [channels, height, width] {
            return Err(Error::ShapeMismatch {
                op: "vit",
                lhs: gradus_autograd::Shape::new(&[count, channels, height, width])?,
                rhs: *images.shape(),
                rule: "images have the channels and the size that the model was made for",
            });
        }
        let strided = Conv2dConfig {
            stride: patch,
            ..Conv2dConfig::default()
        };
        let [weight, bias] = &self.projection;
        let patches = images
            .conv2d(&weight.var(), Some(&bias.var()), &strided)?
            .flatten(2, -1)?
            .transpose(1, 2)?; // (B, N, E)
        let class = self.class.var().expand([count, 1, self.config.width])?;
        let x = Var::cat(&[&class, &patches], 1)?.add(&self.positions.var())?;
        self.dropout.forward(&x, ctx)
    }
}

impl Module for Vit {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let hidden = self.hidden(x, ctx)?;
        match &self.classifier {
            None => Ok(hidden),
            Some(classifier) => classifier.forward(&hidden.select(1, 0)?, ctx),
        }
    }
}

fn require(config: &VitConfig) -> Result<()> {
    let argument = |name, expected, got: usize| Error::Argument {
        op: "vit",
        name,
        expected,
        got: got as f64,
    };
    if config.heads == 0 || !config.width.is_multiple_of(config.heads) {
        return Err(argument("heads", "a divisor of the width", config.heads));
    }
    for i in 0..2 {
        if config.patch[i] == 0 || config.patch[i] > config.image[i] {
            let expected = "at least 1 and at most the image's side";
            return Err(argument("patch", expected, config.patch[i]));
        }
    }
    Ok(())
}

fn norm(scope: &Scope, config: &VitConfig) -> Result<LayerNorm> {
    let options = LayerNormConfig {
        eps: config.layer_norm_eps,
        ..LayerNormConfig::default()
    };
    LayerNorm::new(scope, &[config.width], &options)
}

/// Attention and two linear layers, each with a norm in front.
#[derive(Clone, Debug)]
struct Layer {
    attention: SelfAttention,
    norms: [LayerNorm; 2],
    up: Linear,
    down: Linear,
    dropouts: [Dropout; 2],
}

impl Layer {
    fn new(scope: &Scope, config: &VitConfig, init: Init) -> Result<Self> {
        let names = [
            "attention.attention.query",
            "attention.attention.key",
            "attention.attention.value",
            "attention.output.dense",
        ];
        let size = AttentionSize {
            width: config.width,
            heads: config.heads,
            dropout: config.attention_dropout,
            bias: config.qkv_bias,
        };
        let linear = |name: &str, inputs, outputs| {
            Linear::with_init(&scope.at(name), inputs, outputs, true, init)
        };
        let dropout = |name: &str| Dropout::new(&scope.at(name).at("dropout"), config.dropout);
        Ok(Self {
            attention: SelfAttention::new(scope, names, size, init)?,
            norms: [
                norm(&scope.at("layernorm_before"), config)?,
                norm(&scope.at("layernorm_after"), config)?,
            ],
            up: linear("intermediate.dense", config.width, config.inner)?,
            down: linear("output.dense", config.inner, config.width)?,
            dropouts: [dropout("attention.output"), dropout("output")],
        })
    }

    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let normed = self.norms[0].forward(x, ctx)?;
        let attended = self.attention.forward(&normed, None, ctx)?;
        let x = self.dropouts[0].forward(&attended, ctx)?.add(x)?;
        let inner = self.up.forward(&self.norms[1].forward(&x, ctx)?, ctx)?;
        let out = self.down.forward(&inner.gelu()?, ctx)?;
        self.dropouts[1].forward(&out, ctx)?.add(&x)
    }
}

/// A vision transformer with its weights.
pub struct PretrainedVit {
    /// All parameters, by transformers' names.
    pub store: ParamStore,
    /// The model.
    pub model: Vit,
    /// The folder's configuration.
    pub config: FolderConfig,
    /// Parameters that the folder did not have: they start from random values.
    pub fresh: Vec<String>,
    /// Tensors of the folder that belong to another head.
    pub unused: Vec<String>,
}

/// Opens the vision transformer of a folder, with a classifier if there are labels.
///
/// # Errors
/// As [`crate::open_pretrained`].
pub fn open_vit(folder: &Path, labels: Option<&[String]>) -> ModelResult<PretrainedVit> {
    let config = FolderConfig::open(folder)?;
    let store = ParamStore::deferred(0, DType::F32);
    let model = Vit::new(&store.root(), &VitConfig::read(&config)?, labels)?;
    let (state, path) = read_weights(folder)?;
    let Loaded { fresh, unused } = model.load(&store, state, &path)?;
    Ok(PretrainedVit {
        store,
        model,
        config,
        fresh,
        unused,
    })
}
