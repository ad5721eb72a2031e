//! What decoders have in common: which places see which, attention over a cache, blocks, and heads. Letters: B sequences, T new places
//! of each, S places that are seen, H heads, D elements of a head, E the width.

use std::sync::Arc;

use gradus_autograd::ops::AttentionConfig;
use gradus_autograd::{Error, Parameter, Result, ResultExt, Tensor, Var, recompute};
use gradus_nn::{Ctx, Dropout, Init, Linear, Module, Scope};
use serde_json::Value;

use crate::pretrained::{Sequences, pooled, require_sequences, write_labels};
use crate::rope::Turns;
use crate::{Architecture, FolderConfig, Head, KvCache, ModelError, ModelResult};

/// Which places the new ones see.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Bool, `(B or 1, 1, T, S)`, true where a key is seen.
    mask: Option<Var>,
    /// Whether each place sees those up to its own, without a mask.
    causal: bool,
}

/// What all layers of one pass are given besides their input.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// The positions of the new places, `(B or 1, T)`.
    pub(crate) positions: Tensor,
    /// The positions of all places that are seen, `(B or 1, S)`.
    pub(crate) all_positions: Tensor,
    /// Everything before.
    pub(crate) full: Sight,
    /// The last places only, for layers with a window.
    pub(crate) windowed: Sight,
    /// Rotary positions, where the model has them.
    pub(crate) turns: Turns,
}

/// Who sees whom: `past` places, then `places` new ones.
struct View<'a> {
    rows: usize,
    past: usize,
    places: usize,
    /// Whether a place of a sequence is a token; all are, without it.
    real: Option<&'a dyn Fn(usize, usize) -> bool>,
}

impl View<'_> {
    fn sight(&self, window: Option<usize>) -> Result<Sight> {
        let total = self.past + self.places;
        let window = window.unwrap_or(total);
        if self.real.is_none() && window >= total && (self.past == 0 || self.places == 1) {
            let causal = self.places > 1;
            return Ok(Sight { mask: None, causal });
        }
        let rows = if self.real.is_some() { self.rows } else { 1 };
        let mask = Tensor::build([rows, 1, self.places, total], |seen: &mut [bool]| {
            for (at, seen) in seen.chunks_mut(total).enumerate() {
                let (row, query) = (at / self.places, self.past + at % self.places);
                for (key, seen) in seen.iter_mut().enumerate() {
                    let near = key <= query && query - key < window;
                    *seen = near && self.real.is_none_or(|real| real(row, key));
                }
            }
        })?;
        Ok(Sight {
            mask: Some(Var::constant(mask)),
            causal: false,
        })
    }
}

impl Pass {
    /// Whole sequences at once, as in training.
    ///
    /// Padding at the end of sequences needs no mask, since nothing before it sees it; what comes out at padding means nothing.
    pub(crate) fn whole(
        tokens: &Tensor,
        mask: Option<&Tensor>,
        vocab: usize,
        positions: Option<usize>,
        window: Option<usize>,
    ) -> Result<Self> {
        let Sequences { count, len } = require_sequences(tokens, mask, vocab, positions)?;
        if count == 0 || len == 0 {
            let (expected, got) = (1, count * len);
            return Err(Error::Length {
                op: "forward",
                expected,
                got,
            })
            .at(|| "tokens are (B, T) with B and T of at least 1");
        }
        let real = mask.map(Tensor::to_vec::<bool>).transpose()?;
        let padded_before = |real: &Vec<bool>| {
            let mut rows = real.chunks(len.max(1));
            rows.any(|row| row.windows(2).any(|pair| !pair[0] && pair[1]))
        };
        let real = real.filter(padded_before);
        let is_real = real
            .as_ref()
            .map(|real| move |row: usize, at: usize| real[row * len + at]);
        let view = View {
            rows: count,
            past: 0,
            places: len,
            real: is_real.as_ref().map(|f| f as &dyn Fn(usize, usize) -> bool),
        };
        let all = Tensor::arange(0, len as i64, 1)?.reshape([1, len])?;
        Ok(Self {
            positions: all.clone(),
            all_positions: all,
            full: view.sight(None)?,
            windowed: view.sight(window)?,
            turns: Turns::default(),
        })
    }

    /// The next places of sequences that a cache holds the beginning of.
    pub(crate) fn next(
        tokens: &Tensor,
        cache: &KvCache,
        vocab: usize,
        positions: Option<usize>,
        window: Option<usize>,
    ) -> Result<Self> {
        let Sequences { count, len } = require_sequences(tokens, None, vocab, None)?;
        let op = "step";
        if count != cache.batch() || len == 0 {
            return Err(Error::Length {
                op,
                expected: cache.batch(),
                got: count,
            })
            .at(|| "tokens are (B, T) with a row for each sequence of the cache and T of at least 1");
        }
        let (past, total) = (cache.len(), cache.len() + len);
        let padding = cache.padding();
        let longest = total - padding.iter().min().copied().unwrap_or(0).min(total);
        if let Some(most) = positions.filter(|&most| longest > most) {
            return Err(Error::Argument {
                op,
                name: "length of a sequence",
                expected: "at most the model's positions",
                got: longest as f64,
            })
            .at(|| format!("the model has {most} positions; make fewer tokens or cut the prompt"));
        }
        let is_real = |row: usize, at: usize| at >= padding[row];
        let padded = padding.iter().any(|&padding| padding > 0);
        let view = View {
            rows: count,
            past,
            places: len,
            real: padded.then_some(&is_real as &dyn Fn(usize, usize) -> bool),
        };
        Ok(Self {
            positions: cache.positions(past, total)?,
            all_positions: cache.positions(0, total)?,
            full: view.sight(None)?,
            windowed: view.sight(window)?,
            turns: Turns::default(),
        })
    }
}

/// The options of [`attend`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attend {
    pub(crate) scale: f64,
    pub(crate) dropout: f64,
    /// Of the dropout.
    pub(crate) stream: u64,
}

/// Attention of queries `(B, H, T, D)` to keys and values with as many heads or fewer, joined to `(B, T, H · D)`.
pub(crate) fn attend(
    [query, key, value]: [&Var; 3],
    sight: &Sight,
    options: Attend,
    ctx: &Ctx,
) -> Result<Var> {
    let config = AttentionConfig {
        dropout_p: if ctx.is_training() {
            options.dropout
        } else {
            0.0
        },
        is_causal: sight.causal,
        scale: Some(options.scale),
        enable_gqa: query.dims()[1] != key.dims()[1],
        philox: ctx.philox(options.stream),
        step: ctx.step(),
    };
    let y = query.scaled_dot_product_attention(key, value, sight.mask.as_ref(), &config)?;
    y.transpose(1, 2)?.flatten(2, -1)
}

/// The number of layers that a key says: what no model has is a damaged file.
pub(crate) fn layers_of(config: &FolderConfig, key: &str, default: usize) -> ModelResult<usize> {
    const MOST: usize = 4096;
    let layers = config.count_or(key, default)?;
    if layers > MOST {
        return Err(config.wrong(key, format!("at most {MOST}")));
    }
    Ok(layers)
}

/// `(B, T, H · D)` as `(B, T, H, D)`.
pub(crate) fn heads(x: &Var, width: usize) -> Result<Var> {
    let [batch, places, all] = x.shape().to_array("heads")?;
    x.reshape([batch, places, all / width.max(1), width])
}

/// A layer of a decoder.
pub(crate) trait Block: Send + Sync + 'static {
    /// `x` `(B, T, E)`; with a cache, its new keys and values are added there.
    fn forward(&self, x: &Var, pass: &Pass, cache: Option<&mut KvCache>, ctx: &Ctx) -> Result<Var>;
}

/// All blocks, one after the other, in training.
pub(crate) fn run<B: Block>(
    blocks: &[Arc<B>],
    mut x: Var,
    pass: Pass,
    ctx: &Ctx,
    again: bool,
) -> Result<Var> {
    let pass = Arc::new(pass);
    for block in blocks {
        x = if again {
            let (block, pass, held, ctx) = (Arc::clone(block), Arc::clone(&pass), x, *ctx);
            recompute(move || block.forward(&held, &pass, None, &ctx))?
        } else {
            block.forward(&x, &pass, None, ctx)?
        };
    }
    Ok(x)
}

/// All blocks over a cache.
pub(crate) fn run_cached<B: Block>(
    blocks: &[Arc<B>],
    mut x: Var,
    pass: &Pass,
    cache: &mut KvCache,
    ctx: &Ctx,
) -> Result<Var> {
    let places = x.dims()[1];
    for block in blocks {
        x = block.forward(&x, pass, Some(&mut *cache), ctx)?;
        debug_assert!(!x.requires_grad(), "a step records nothing");
    }
    cache.advance(places);
    Ok(x)
}

/// Keys and values with those that the cache holds before them.
pub(crate) fn remembered(
    cache: Option<&mut KvCache>,
    layer: usize,
    key: Var,
    value: Var,
) -> Result<[Var; 2]> {
    match cache {
        None => Ok([key, value]),
        Some(cache) => {
            let all = cache.append(layer, [key.tensor(), value.tensor()])?;
            Ok(all.map(Var::constant))
        }
    }
}

/// What a decoder ends in.
#[derive(Clone, Debug)]
pub(crate) enum DecoderHead {
    Hidden,
    Pooled,
    /// The weight is the embedding's.
    Tied(Parameter),
    Lm(Linear),
    Sequence(Linear),
    Token(Dropout, Linear),
}

/// How the linear layers of heads start, and the dropout before that of tokens.
pub(crate) struct HeadOptions<'a> {
    pub(crate) architecture: Architecture,
    pub(crate) width: usize,
    pub(crate) vocab: usize,
    pub(crate) std: f64,
    pub(crate) dropout: f64,
    /// The name of the layer that scores tokens.
    pub(crate) token_name: &'a str,
    /// The embedding, if the language model's head is tied to it.
    pub(crate) tied: Option<&'a Parameter>,
}

impl DecoderHead {
    /// The head at `scope`, the root of the model.
    pub(crate) fn new(scope: &Scope, head: &Head, options: &HeadOptions<'_>) -> ModelResult<Self> {
        let linear = |name: &str, outputs: usize, bias: bool| {
            let init = Init::Normal {
                mean: 0.0,
                std: options.std,
            };
            Linear::with_init(&scope.at(name), options.width, outputs, bias, init)
        };
        Ok(match head {
            Head::None => Self::Hidden,
            Head::Pooled => Self::Pooled,
            Head::CausalLm => match options.tied {
                Some(weight) => Self::Tied(weight.clone()),
                None => Self::Lm(linear("lm_head", options.vocab, false)?),
            },
            Head::SequenceClassification { labels } => {
                Self::Sequence(linear("score", labels.len(), false)?)
            }
            Head::TokenClassification { labels } => Self::Token(
                Dropout::new(&scope.at("dropout"), options.dropout),
                linear(options.token_name, labels.len(), true)?,
            ),
            Head::MaskedLm => {
                return Err(ModelError::Head {
                    architecture: options.architecture,
                    head: head.name(),
                    has: "none, causal language model, sequence classification, token classification, pooled",
                });
            }
        })
    }

    /// Whether the output is scores of the next token.
    pub(crate) fn is_causal_lm(&self) -> bool {
        matches!(self, Self::Tied(_) | Self::Lm(_))
    }

    /// Of hidden states `(B, T, E)`.
    pub(crate) fn forward(&self, x: &Var, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var> {
        match self {
            Self::Hidden => Ok(x.clone()),
            Self::Pooled => pooled(x, mask),
            Self::Tied(weight) => x.linear(&weight.var(), None).at(|| "lm_head"),
            Self::Lm(layer) => layer.forward(x, ctx),
            Self::Sequence(layer) => layer.forward(&last_token(x, mask)?, ctx),
            Self::Token(dropout, layer) => layer.forward(&dropout.forward(x, ctx)?, ctx),
        }
    }
}

/// The hidden state of each sequence's last real token, `(B, E)`; of its last place if none is real.
fn last_token(x: &Var, mask: Option<&Tensor>) -> Result<Var> {
    let [batch, places, _] = x.shape().to_array("last token")?;
    let last = |row: &[bool]| row.iter().rposition(|&real| real).unwrap_or(places - 1);
    let at: Vec<usize> = match mask {
        None => vec![places - 1; batch],
        Some(mask) => mask.to_vec::<bool>()?.chunks(places).map(last).collect(),
    };
    let index: Vec<i64> = at
        .iter()
        .enumerate()
        .map(|(row, &at)| (row * places + at) as i64)
        .collect();
    x.flatten(0, 1)?
        .index_select(0, &Tensor::from_slice(&index, [batch])?)
}

/// The keys of a `config.json` with the class of this head and its labels.
pub(crate) fn config_json(config: &FolderConfig, class: &str, head: &Head) -> Value {
    let mut keys = config.keys().clone();
    keys.insert("architectures".into(), vec![class].into());
    write_labels(&mut keys, head);
    Value::Object(keys)
}

/// The last place of hidden states `(B, T, E)`, as `(B, 1, E)`.
pub(crate) fn last_place(x: &Var) -> Result<Var> {
    let places = x.dims()[1];
    x.narrow(1, places - 1, 1)
}
