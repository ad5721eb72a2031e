//! The block that all text workloads stack: one projection for queries, keys and values.

use gradus::autograd::ops::AttentionConfig;
use gradus::nn::{LayerNorm, LayerNormConfig};
use gradus::prelude::*;

/// The options of a [`Block`].
#[derive(Clone, Copy)]
pub(super) struct BlockConfig {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    /// GPT's: causal attention, norms in front, GELU by tanh; else BERT's.
    pub(super) causal: bool,
    pub(super) bias: bool,
    /// How the matrices start.
    pub(super) init: Init,
}

/// `(B, T, E) -> (B, T, E)`.
pub(super) struct Block {
    config: BlockConfig,
    qkv: Linear,
    proj: Linear,
    fc: Linear,
    fc2: Linear,
    ln1: LayerNorm,
    ln2: LayerNorm,
}

impl Block {
    pub(super) fn new(scope: &Scope, config: BlockConfig) -> Result<Self> {
        let BlockConfig {
            width,
            inner,
            bias,
            init,
            ..
        } = config;
        let linear =
            |name: &str, from, to| Linear::with_init(&scope.at(name), from, to, bias, init);
        Ok(Self {
            qkv: linear("qkv", width, 3 * width)?,
            proj: linear("proj", width, width)?,
            fc: linear("fc", width, inner)?,
            fc2: linear("fc2", inner, width)?,
            ln1: norm(&scope.at("ln1"), width, bias)?,
            ln2: norm(&scope.at("ln2"), width, bias)?,
            config,
        })
    }

    fn attend(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let [count, len, width] = x.shape().to_array("attention")?;
        let heads = [count, len, self.config.heads, width / self.config.heads];
        let parts = self.qkv.forward(x, ctx)?.chunk(3, -1)?;
        let split = |i: usize| parts[i].reshape(heads)?.transpose(1, 2);
        let config = AttentionConfig {
            is_causal: self.config.causal,
            ..Default::default()
        };
        let y = split(0)?.scaled_dot_product_attention(&split(1)?, &split(2)?, None, &config)?;
        let y = y.transpose(1, 2)?.reshape([count, len, width])?;
        self.proj.forward(&y, ctx)
    }

    fn perceptron(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let x = self.fc.forward(x, ctx)?;
        let x = if self.config.causal {
            x.gelu_tanh()?
        } else {
            x.gelu()?
        };
        self.fc2.forward(&x, ctx)
    }
}

impl Module for Block {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        if self.config.causal {
            let x = x.add(&self.attend(&self.ln1.forward(x, ctx)?, ctx)?)?;
            return x.add(&self.perceptron(&self.ln2.forward(&x, ctx)?, ctx)?);
        }
        let x = self.ln1.forward(&x.add(&self.attend(x, ctx)?)?, ctx)?;
        self.ln2.forward(&x.add(&self.perceptron(&x, ctx)?)?, ctx)
    }
}

pub(super) fn norm(scope: &Scope, width: usize, bias: bool) -> Result<LayerNorm> {
    let config = LayerNormConfig {
        bias,
        ..Default::default()
    };
    LayerNorm::new(scope, &[width], &config)
}
