//! MiniLM and the GPTs. Letters: B batch, T tokens, C width, H heads, V vocabulary.

use burn::module::Param;
use burn::nn::{
    Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig,
};
use burn::prelude::*;
use burn::tensor::{Int, TensorData, activation};

#[derive(Clone, Copy)]
pub struct Config {
    pub vocabulary: usize,
    positions: usize,
    width: usize,
    heads: usize,
    layers: usize,
    bias: bool,
    /// GPT: norms in front, GELU by tanh, the tokens' matrix as head. Else BERT.
    causal: bool,
}

impl Config {
    pub fn minilm() -> Self {
        Self {
            vocabulary: 30_522,
            positions: 512,
            width: 384,
            heads: 12,
            layers: 6,
            bias: true,
            causal: false,
        }
    }

    pub fn gpt2() -> Self {
        Self {
            vocabulary: 50_257,
            positions: 1024,
            width: 768,
            heads: 12,
            layers: 12,
            bias: true,
            causal: true,
        }
    }

    pub fn nanogpt(positions: usize, width: usize, heads: usize, layers: usize) -> Self {
        Self {
            vocabulary: 65,
            positions,
            width,
            heads,
            layers,
            bias: false,
            causal: true,
        }
    }
}

fn norm(config: &Config, device: &Device) -> LayerNorm {
    LayerNormConfig::new(config.width)
        .with_bias(config.bias)
        .init(device)
}

#[derive(Module, Debug)]
struct Block {
    qkv: Linear,
    proj: Linear,
    fc: Linear,
    fc2: Linear,
    ln1: LayerNorm,
    ln2: LayerNorm,
    heads: usize,
    causal: bool,
}

impl Block {
    fn new(config: &Config, device: &Device) -> Self {
        let linear = |from, to| {
            LinearConfig::new(from, to)
                .with_bias(config.bias)
                .init(device)
        };
        let width = config.width;
        Self {
            qkv: linear(width, 3 * width),
            proj: linear(width, width),
            fc: linear(width, 4 * width),
            fc2: linear(4 * width, width),
            ln1: norm(config, device),
            ln2: norm(config, device),
            heads: config.heads,
            causal: config.causal,
        }
    }

    fn attend(&self, x: Tensor<3>, mask: &Option<Tensor<4>>) -> Tensor<3> {
        let [b, t, c] = x.dims();
        let head = c / self.heads;
        let qkv = self.qkv.forward(x); // (B, T, 3 C)
        let part = |i: usize| {
            let part = qkv.clone().narrow(2, i * c, c);
            part.reshape([b, t, self.heads, head]).swap_dims(1, 2) // (B, H, T, C / H)
        };
        let mut scores = part(0).matmul(part(1).swap_dims(2, 3)) * (1.0 / (head as f64).sqrt());
        if let Some(mask) = mask {
            scores = scores + mask.clone();
        }
        let y = activation::softmax(scores, 3).matmul(part(2));
        self.proj.forward(y.swap_dims(1, 2).reshape([b, t, c]))
    }

    fn perceptron(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.fc.forward(x);
        self.fc2.forward(if self.causal {
            activation::gelu_approximate(x)
        } else {
            activation::gelu(x)
        })
    }

    fn forward(&self, x: Tensor<3>, mask: &Option<Tensor<4>>) -> Tensor<3> {
        if self.causal {
            let y = self.attend(self.ln1.forward(x.clone()), mask);
            let x = x + y;
            return x.clone() + self.perceptron(self.ln2.forward(x));
        }
        let y = self.attend(x.clone(), mask);
        let x = self.ln1.forward(x + y);
        let y = self.perceptron(x.clone());
        self.ln2.forward(x + y)
    }
}

#[derive(Module, Debug)]
pub struct Transformer {
    tokens: Embedding,
    positions: Param<Tensor<2>>,
    /// BERT's only, as `pool` and `head` are.
    segments: Option<Param<Tensor<2>>>,
    norm: LayerNorm,
    blocks: Vec<Block>,
    pool: Option<Linear>,
    head: Option<Linear>,
}

impl Transformer {
    pub fn new(config: &Config, device: &Device) -> Self {
        let (width, bert) = (config.width, !config.causal);
        let normal = Initializer::Normal {
            mean: 0.0,
            std: if bert { 1.0 } else { 0.02 },
        };
        let linear = |to| LinearConfig::new(width, to).init(device);
        Self {
            tokens: EmbeddingConfig::new(config.vocabulary, width)
                .with_initializer(normal.clone())
                .init(device),
            positions: normal.init([config.positions, width], device),
            segments: bert.then(|| normal.init([2, width], device)),
            norm: norm(config, device),
            blocks: (0..config.layers)
                .map(|_| Block::new(config, device))
                .collect(),
            pool: bert.then(|| linear(width)),
            head: bert.then(|| linear(2)),
        }
    }

    /// Tokens `(B, T)` to scores: `(B T, V)` of a GPT, `(B, 2)` of BERT.
    pub fn forward(&self, ids: Tensor<2, Int>, mask: Option<Tensor<4>>) -> Tensor<2> {
        let [b, t] = ids.dims();
        let places = self.positions.val().narrow(0, 0, t);
        let mut x = self.tokens.forward(ids) + places.unsqueeze::<3>(); // (B, T, C)
        if let Some(segments) = &self.segments {
            x = x + segments.val().narrow(0, 0, 1).unsqueeze::<3>();
            x = self.norm.forward(x);
        }
        for block in &self.blocks {
            x = block.forward(x, &mask);
        }
        let [_, _, c] = x.dims();
        if let (Some(pool), Some(head)) = (&self.pool, &self.head) {
            let first = x.narrow(1, 0, 1).reshape([b, c]);
            return head.forward(pool.forward(first).tanh());
        }
        let x = self.norm.forward(x).reshape([b * t, c]);
        x.matmul(self.tokens.weight.val().transpose())
    }
}

/// `(1, 1, T, T)`: 0 where a token may look, far below where not.
pub fn causal_mask(t: usize, device: &Device) -> Tensor<4> {
    let value = |i: usize| if i % t > i / t { -1e9 } else { 0.0 };
    let values: Vec<f32> = (0..t * t).map(value).collect();
    Tensor::<1>::from_data(TensorData::from(&values[..]), device).reshape([1, 1, t, t])
}
