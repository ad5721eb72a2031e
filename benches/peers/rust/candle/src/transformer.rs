//! MiniLM and the GPTs. Letters: B batch, T tokens, C width, H heads, V vocabulary.
//!
//! In training the norm and the softmax are candle's slow ones, written of its ops: its fused ones have no gradient.

use candle_core::{D, Device, IndexOp, Result, Tensor};
use candle_nn::{Embedding, Init, Linear, Module, VarBuilder, init, linear, linear_b, ops};

/// Keys and values of the tokens so far, `(B, H, T, C / H)`, for each block.
pub type Cache = Vec<Option<(Tensor, Tensor)>>;

#[derive(Clone, Copy)]
pub struct Config {
    pub vocabulary: usize,
    positions: usize,
    width: usize,
    heads: usize,
    layers: usize,
    bias: bool,
    /// GPT: causal, norms in front, GELU by tanh, the tokens' matrix as head. Else BERT.
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

struct Norm {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Norm {
    fn new(config: &Config, vars: VarBuilder) -> Result<Self> {
        let bias = || vars.get_with_hints(config.width, "bias", init::ZERO);
        Ok(Self {
            weight: vars.get_with_hints(config.width, "weight", init::ONE)?,
            bias: config.bias.then(bias).transpose()?,
        })
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let zero = || self.weight.zeros_like();
        if !training {
            let bias = self.bias.clone().map_or_else(zero, Ok)?;
            return ops::layer_norm(&x.contiguous()?, &self.weight, &bias, 1e-5);
        }
        match &self.bias {
            Some(bias) => ops::layer_norm_slow(x, &self.weight, bias, 1e-5),
            None => candle_nn::LayerNorm::new_no_bias(self.weight.clone(), 1e-5).forward(x),
        }
    }
}

struct Block {
    config: Config,
    qkv: Linear,
    proj: Linear,
    fc: Linear,
    fc2: Linear,
    ln1: Norm,
    ln2: Norm,
}

impl Block {
    fn new(config: Config, vars: VarBuilder) -> Result<Self> {
        let (width, bias) = (config.width, config.bias);
        Ok(Self {
            config,
            qkv: linear_b(width, 3 * width, bias, vars.pp("qkv"))?,
            proj: linear_b(width, width, bias, vars.pp("proj"))?,
            fc: linear_b(width, 4 * width, bias, vars.pp("fc"))?,
            fc2: linear_b(4 * width, width, bias, vars.pp("fc2"))?,
            ln1: Norm::new(&config, vars.pp("ln1"))?,
            ln2: Norm::new(&config, vars.pp("ln2"))?,
        })
    }

    fn attend(
        &self,
        x: &Tensor,
        mask: Option<&Tensor>,
        kept: Option<&mut Option<(Tensor, Tensor)>>,
        training: bool,
    ) -> Result<Tensor> {
        let (b, t, c) = x.dims3()?;
        let (heads, head) = (self.config.heads, c / self.config.heads);
        let qkv = self.qkv.forward(x)?; // (B, T, 3 C)
        let part = |i: usize| -> Result<Tensor> {
            let part = qkv.narrow(2, i * c, c)?.reshape((b, t, heads, head))?;
            part.transpose(1, 2)?.contiguous() // (B, H, T, C / H)
        };
        let (q, mut k, mut v) = (part(0)?, part(1)?, part(2)?);
        if let Some(kept) = kept {
            if let Some((before_k, before_v)) = kept.as_ref() {
                k = Tensor::cat(&[before_k, &k], 2)?;
                v = Tensor::cat(&[before_v, &v], 2)?;
            }
            *kept = Some((k.clone(), v.clone()));
        }
        let scores = (q.matmul(&k.t()?)? * (1.0 / (head as f64).sqrt()))?; // (B, H, T, T)
        let scores = match mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        let weights = if training {
            ops::softmax(&scores, D::Minus1)?
        } else {
            ops::softmax_last_dim(&scores)?
        };
        let y = weights.matmul(&v)?.transpose(1, 2)?.reshape((b, t, c))?;
        self.proj.forward(&y)
    }

    fn perceptron(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.fc.forward(x)?;
        let x = if self.config.causal {
            x.gelu()?
        } else {
            x.gelu_erf()?
        };
        self.fc2.forward(&x)
    }

    fn forward(
        &self,
        x: &Tensor,
        mask: Option<&Tensor>,
        kept: Option<&mut Option<(Tensor, Tensor)>>,
        training: bool,
    ) -> Result<Tensor> {
        if self.config.causal {
            let y = self.attend(&self.ln1.forward(x, training)?, mask, kept, training)?;
            let x = (x + y)?;
            let y = self.perceptron(&self.ln2.forward(&x, training)?)?;
            return x + y;
        }
        let y = self.attend(x, mask, kept, training)?;
        let x = self.ln1.forward(&(x + y)?, training)?;
        let y = self.perceptron(&x)?;
        self.ln2.forward(&(x + y)?, training)
    }
}

/// What BERT has and GPT has not.
struct Classifier {
    segments: Tensor,
    pool: Linear,
    head: Linear,
}

pub struct Transformer {
    config: Config,
    tokens: Tensor,
    positions: Tensor,
    norm: Norm,
    blocks: Vec<Block>,
    classifier: Option<Classifier>,
}

impl Transformer {
    pub fn new(config: Config, vars: VarBuilder) -> Result<Self> {
        let stdev = if config.causal { 0.02 } else { 1.0 };
        let table = |rows: usize, name: &str| {
            let normal = Init::Randn { mean: 0.0, stdev };
            vars.get_with_hints((rows, config.width), name, normal)
        };
        let classifier = || -> Result<Classifier> {
            Ok(Classifier {
                segments: table(2, "typ")?,
                pool: linear(config.width, config.width, vars.pp("pool"))?,
                head: linear(config.width, 2, vars.pp("head"))?,
            })
        };
        let block = |i| Block::new(config, vars.pp(format!("b.{i}")));
        Ok(Self {
            config,
            tokens: table(config.vocabulary, "tok")?,
            positions: table(config.positions, "pos")?,
            norm: Norm::new(&config, vars.pp("ln"))?,
            blocks: (0..config.layers).map(block).collect::<Result<_>>()?,
            classifier: (!config.causal).then(classifier).transpose()?,
        })
    }

    pub fn cache(&self) -> Cache {
        vec![None; self.blocks.len()]
    }

    /// Tokens `(B, T)` to scores: `(B T, V)` of a GPT, `(B, 2)` of BERT.
    pub fn train(&self, ids: &Tensor) -> Result<Tensor> {
        self.forward(ids, 0, None, true)
    }

    /// The same with candle's fused ops; the first token's place is `place`.
    pub fn infer(&self, ids: &Tensor, place: usize, cache: Option<&mut Cache>) -> Result<Tensor> {
        self.forward(ids, place, cache, false)
    }

    fn forward(
        &self,
        ids: &Tensor,
        place: usize,
        mut cache: Option<&mut Cache>,
        training: bool,
    ) -> Result<Tensor> {
        let (_, t) = ids.dims2()?;
        let x = Embedding::new(self.tokens.clone(), self.config.width).forward(ids)?;
        let mut x = x.broadcast_add(&self.positions.narrow(0, place, t)?)?; // (B, T, C)
        if let Some(classifier) = &self.classifier {
            x = x.broadcast_add(&classifier.segments.i(0)?)?;
            x = self.norm.forward(&x, training)?;
        }
        let mask = (self.config.causal && t > 1)
            .then(|| causal_mask(t))
            .transpose()?;
        for (i, block) in self.blocks.iter().enumerate() {
            let kept = cache.as_mut().map(|cache| &mut cache[i]);
            x = block.forward(&x, mask.as_ref(), kept, training)?;
        }
        if let Some(classifier) = &self.classifier {
            let first = x.i((.., 0, ..))?.contiguous()?;
            return classifier
                .head
                .forward(&classifier.pool.forward(&first)?.tanh()?);
        }
        let x = self.norm.forward(&x, training)?;
        let (b, t, c) = x.dims3()?;
        x.reshape((b * t, c))?.matmul(&self.tokens.t()?)
    }
}

/// 0 where a token may look, minus infinity where not.
fn causal_mask(t: usize) -> Result<Tensor> {
    let value = |i: usize| {
        if i % t > i / t {
            f32::NEG_INFINITY
        } else {
            0.0
        }
    };
    Tensor::from_vec((0..t * t).map(value).collect(), (t, t), &Device::Cpu)
}
