//! GPT-2 of 124 M parameters, and nanoGPT's two configurations for characters.

use super::training::{Training, adamw};
use super::transformer::{Block, BlockConfig, norm};
use super::{Outcome, Workload, below};
use gradus::autograd::ops::EmbeddingConfig;
use gradus::nn::{Embedding, LayerNorm};
use gradus::prelude::*;

/// Sizes, and whether linear layers and norms have biases.
struct GptConfig {
    vocabulary: usize,
    positions: usize,
    width: usize,
    heads: usize,
    layers: usize,
    bias: bool,
}

struct Gpt {
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Gpt {
    fn new(scope: &Scope, config: &GptConfig) -> Result<Self> {
        let init = Init::Normal {
            mean: 0.0,
            std: 0.02,
        };
        let plain = EmbeddingConfig::default();
        let table = |name: &str, rows| {
            Embedding::with_init(&scope.at(name), rows, config.width, &plain, init)
        };
        let block = BlockConfig {
            width: config.width,
            heads: config.heads,
            inner: 4 * config.width,
            causal: true,
            bias: config.bias,
            init,
        };
        let blocks = (0..config.layers).map(|i| Block::new(&scope.at("b").at(i), block));
        Ok(Self {
            tokens: table("tok", config.vocabulary)?,
            positions: table("pos", config.positions)?,
            blocks: blocks.collect::<Result<_>>()?,
            norm: norm(&scope.at("ln"), config.width, config.bias)?,
        })
    }

    /// Tokens `(B, T)` and places `(T,)` to scores `(B, T, vocabulary)`; the head's matrix is that of the tokens.
    fn forward(&self, tokens: &Tensor, places: &Tensor, ctx: &Ctx) -> Result<Var> {
        let x = self.tokens.forward(tokens)?;
        let mut x = x.add(&self.positions.forward(places)?)?;
        for block in &self.blocks {
            x = block.forward(&x, ctx)?;
        }
        let x = self.norm.forward(&x, ctx)?;
        x.linear(&self.tokens.weight().var(), None)
    }
}

fn train(config: &GptConfig, batch: usize, len: usize) -> Outcome<Box<dyn Workload>> {
    let store = ParamStore::seeded(0);
    let net = Gpt::new(&store.root(), config)?;
    let vocabulary = config.vocabulary;
    let tokens = below(vocabulary as u64, &[batch, len], 1)?;
    let targets = below(vocabulary as u64, &[batch * len], 2)?;
    let places: Vec<i64> = (0..len as i64).collect();
    let places = Tensor::from_slice(&places, [len])?;
    let options = CrossEntropyConfig::default();
    let loss = move |ctx: &Ctx| {
        net.forward(&tokens, &places, ctx)?
            .reshape([batch * len, vocabulary])?
            .cross_entropy(&targets, &options)
    };
    Ok(Training::boxed(&store, adamw()?, loss))
}

pub(super) fn gpt2(len: usize) -> Outcome<Box<dyn Workload>> {
    let config = GptConfig {
        vocabulary: 50_257,
        positions: 1024,
        width: 768,
        heads: 12,
        layers: 12,
        bias: true,
    };
    train(&config, 4, len)
}

pub(super) fn nanogpt_cpu() -> Outcome<Box<dyn Workload>> {
    let config = GptConfig {
        vocabulary: 65,
        positions: 64,
        width: 128,
        heads: 4,
        layers: 4,
        bias: false,
    };
    train(&config, 12, 64)
}

pub(super) fn nanogpt_gpu() -> Outcome<Box<dyn Workload>> {
    let config = GptConfig {
        vocabulary: 65,
        positions: 256,
        width: 384,
        heads: 6,
        layers: 6,
        bias: false,
    };
    train(&config, 12, 256)
}
