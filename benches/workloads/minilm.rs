//! MiniLM-L6: a BERT of 6 layers, 384 wide, 12 heads, 30,522 tokens, with two classes at the first token.

use super::training::{Training, adamw};
use super::transformer::{Block, BlockConfig, norm};
use super::{Outcome, Workload, below};
use gradus::autograd::ops::EmbeddingConfig;
use gradus::nn::{Embedding, LayerNorm};
use gradus::prelude::*;

const VOCABULARY: usize = 30_522;
const LENGTH: usize = 128;
const WIDTH: usize = 384;

struct Bert {
    tokens: Embedding,
    positions: Embedding,
    segments: Embedding,
    norm: LayerNorm,
    blocks: Vec<Block>,
    pool: Linear,
    head: Linear,
    places: Tensor,
}

impl Bert {
    fn new(scope: &Scope) -> Result<Self> {
        let table = |name: &str, rows| {
            Embedding::new(&scope.at(name), rows, WIDTH, &EmbeddingConfig::default())
        };
        let config = BlockConfig {
            width: WIDTH,
            heads: 12,
            inner: 1536,
            causal: false,
            bias: true,
            init: Init::Fan { fan_in: WIDTH },
        };
        let blocks = (0..6).map(|i| Block::new(&scope.at("b").at(i), config));
        let places: Vec<i64> = (0..LENGTH as i64).collect();
        Ok(Self {
            tokens: table("tok", VOCABULARY)?,
            positions: table("pos", 512)?,
            segments: table("typ", 2)?,
            norm: norm(&scope.at("ln"), WIDTH, true)?,
            blocks: blocks.collect::<Result<_>>()?,
            pool: Linear::new(&scope.at("pool"), WIDTH, WIDTH)?,
            head: Linear::new(&scope.at("head"), WIDTH, 2)?,
            places: Tensor::from_slice(&places, [1, LENGTH])?,
        })
    }

    /// Tokens `(B, T)` to scores `(B, 2)`.
    fn forward(&self, tokens: &Tensor, ctx: &Ctx) -> Result<Var> {
        let first = Tensor::from_slice(&[0_i64], [1, 1])?;
        let x = self.tokens.forward(tokens)?;
        let x = x.add(&self.positions.forward(&self.places)?)?;
        let x = x.add(&self.segments.forward(&first)?)?;
        let mut x = self.norm.forward(&x, ctx)?;
        for block in &self.blocks {
            x = block.forward(&x, ctx)?;
        }
        let pooled = self.pool.forward(&x.select(1, 0)?, ctx)?.tanh()?;
        self.head.forward(&pooled, ctx)
    }
}

fn tokens(batch: usize) -> Result<Tensor> {
    below(VOCABULARY as u64, &[batch, LENGTH], 1)
}

pub(super) fn train(batch: usize) -> Outcome<Box<dyn Workload>> {
    let store = ParamStore::seeded(0);
    let net = Bert::new(&store.root())?;
    let (tokens, classes) = (tokens(batch)?, below(2, &[batch], 2)?);
    let options = CrossEntropyConfig::default();
    let loss = move |ctx: &Ctx| net.forward(&tokens, ctx)?.cross_entropy(&classes, &options);
    Ok(Training::boxed(&store, adamw()?, loss))
}

struct Inference {
    net: Bert,
    tokens: Tensor,
}

impl Workload for Inference {
    fn step(&mut self) -> Outcome<f64> {
        let scores = self.net.forward(&self.tokens, &Ctx::eval())?;
        Ok(f64::from(scores.mean(&[], false)?.item::<f32>()?))
    }
}

pub(super) fn infer(batch: usize) -> Outcome<Box<dyn Workload>> {
    let store = super::for_inference();
    let net = Bert::new(&store.root())?;
    for parameter in store.parameters() {
        parameter.set_trainable(false);
    }
    let tokens = tokens(batch)?;
    Ok(Box::new(Inference { net, tokens }))
}
