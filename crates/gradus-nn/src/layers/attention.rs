//! Attention of several heads.

use gradus_autograd::ops::AttentionConfig;
use gradus_autograd::{DType, Error, Parameter, Result, ResultExt, Shape, Tensor, Var};

use crate::{Ctx, Gain, Init, Scope};

/// The options of [`MultiheadAttention`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiheadAttentionConfig {
    /// The probability of dropping a weight, in training. Default: 0.
    pub dropout: f64,
    /// Whether there are biases. Default: yes.
    pub bias: bool,
    /// Whether one learned key and value follow the others. Default: no.
    pub add_bias_kv: bool,
    /// Whether one key and value of zeros follow the others. Default: no.
    pub add_zero_attn: bool,
    /// The width of keys. Default: that of queries.
    pub kdim: Option<usize>,
    /// The width of values. Default: that of queries.
    pub vdim: Option<usize>,
    /// Whether input and output are `(N, L, E)`. Default: no, they are `(L, N, E)`.
    pub batch_first: bool,
}

impl Default for MultiheadAttentionConfig {
    fn default() -> Self {
        Self {
            dropout: 0.0,
            bias: true,
            add_bias_kv: false,
            add_zero_attn: false,
            kdim: None,
            vdim: None,
            batch_first: false,
        }
    }
}

/// What one call of a [`MultiheadAttention`] is given besides queries, keys and values, with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct AttentionMasks<'a> {
    /// `(N, S)` (or `(S,)`): bool, true at keys that are not seen, or added to the scores.
    pub key_padding_mask: Option<&'a Var>,
    /// `(L, S)` or `(N · heads, L, S)`: bool, true where a query does not see a key, or added to the scores.
    pub attn_mask: Option<&'a Var>,
    /// Whether query `i` sees keys up to `i` only; needs no mask (a given one counts instead). Default: no.
    pub is_causal: bool,
    /// Whether the weights are returned, which takes a matrix of all scores. Default: yes.
    pub need_weights: bool,
    /// Whether these are the mean over the heads. Default: yes.
    pub average_attn_weights: bool,
}

impl Default for AttentionMasks<'_> {
    fn default() -> Self {
        Self {
            key_padding_mask: None,
            attn_mask: None,
            is_causal: false,
            need_weights: true,
            average_attn_weights: true,
        }
    }
}

/// Attention of several heads; `torch.nn.MultiheadAttention`.
///
/// # Shapes
/// Queries `(L, N, E)`, keys `(S, N, kdim)`, values `(S, N, vdim)` (batch first: `(N, L, E)` …; of one sequence `(L, E)` …); the output is
/// like the queries. Keys are PyTorch's: `in_proj_weight` `(3 E, E)`, or `q_proj_weight`, `k_proj_weight` and `v_proj_weight` where widths
/// differ, `in_proj_bias`, `bias_k`, `bias_v`, `out_proj.weight`, `out_proj.bias`.
///
/// A query whose keys are all masked gets weights of 0 (PyTorch: NaN in some of its paths). Vaswani et al. 2017, arXiv:1706.03762.
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    path: String,
    stream: u64,
    width: usize,
    heads: usize,
    /// One weight for all three, or one for each.
    input: Vec<Parameter>,
    input_bias: Option<Parameter>,
    bias_kv: Option<[Parameter; 2]>,
    output: Parameter,
    output_bias: Option<Parameter>,
    config: MultiheadAttentionConfig,
}

impl MultiheadAttention {
    /// Attention of `heads` heads of `width / heads` elements each: input weights by Xavier, biases 0.
    ///
    /// # Errors
    /// [`Error::Argument`] if the heads do not divide the width; those of making the parameters.
    pub fn new(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &MultiheadAttentionConfig,
    ) -> Result<Self> {
        Self::with_init(scope, width, heads, config, Init::Fan { fan_in: width })
    }

    pub(super) fn with_init(
        scope: &Scope,
        width: usize,
        heads: usize,
        config: &MultiheadAttentionConfig,
        out_init: Init,
    ) -> Result<Self> {
        if heads == 0 || !width.is_multiple_of(heads) {
            let (op, name, expected) = ("multihead_attention", "heads", "a divisor of the width");
            return Err(Error::Argument {
                op,
                name,
                expected,
                got: heads as f64,
            });
        }
        let xavier = Init::XavierUniform { gain: Gain::Linear };
        let normal = Init::XavierNormal { gain: Gain::Linear };
        let (kdim, vdim) = (config.kdim.unwrap_or(width), config.vdim.unwrap_or(width));
        let input = if kdim == width && vdim == width {
            vec![scope.parameter("in_proj_weight", [3 * width, width], xavier)?]
        } else {
            vec![
                scope.parameter("q_proj_weight", [width, width], xavier)?,
                scope.parameter("k_proj_weight", [width, kdim], xavier)?,
                scope.parameter("v_proj_weight", [width, vdim], xavier)?,
            ]
        };
        let bias = |scope: &Scope, name: &str, size: usize| {
            let make = || scope.parameter(name, [size], Init::Zeros);
            config.bias.then(make).transpose()
        };
        let input_bias = bias(scope, "in_proj_bias", 3 * width)?;
        let bias_kv = if config.add_bias_kv {
            Some([
                scope.parameter("bias_k", [1, 1, width], normal)?,
                scope.parameter("bias_v", [1, 1, width], normal)?,
            ])
        } else {
            None
        };
        let out = scope.at("out_proj");
        Ok(Self {
            path: scope.path().to_owned(),
            stream: scope.stream(),
            width,
            heads,
            input,
            input_bias,
            bias_kv,
            output: out.parameter("weight", [width, width], out_init)?,
            output_bias: bias(&out, "bias", width)?,
            config: *config,
        })
    }

    /// The output and, if asked for, the weights `(N, L, S)` (or `(N, heads, L, S)`).
    ///
    /// Where all three are the same var, by reference, they are projected in one product.
    ///
    /// # Errors
    /// Those of the ops, with the module's path in front.
    pub fn forward(
        &self,
        query: &Var,
        key: &Var,
        value: &Var,
        masks: &AttentionMasks<'_>,
        ctx: &Ctx,
    ) -> Result<(Var, Option<Var>)> {
        self.attend([query, key, value], masks, ctx)
            .at(|| self.path.as_str())
    }

    fn attend(
        &self,
        inputs: [&Var; 3],
        masks: &AttentionMasks<'_>,
        ctx: &Ctx,
    ) -> Result<(Var, Option<Var>)> {
        let alone = inputs[0].rank() == 2;
        let [query, mut key, mut value] = self.project(inputs, alone)?;
        if let Some([bias_k, bias_v]) = &self.bias_kv {
            key = followed_by(&key, &bias_k.var())?;
            value = followed_by(&value, &bias_v.var())?;
        }
        if self.config.add_zero_attn {
            let zero = Var::constant(Tensor::zeros([1, 1, self.width], key.dtype())?);
            key = followed_by(&key, &zero)?;
            value = followed_by(&value, &zero)?;
        }
        let [query, key, value] = [&query, &key, &value].map(|x| self.split(x));
        let (query, key, value) = (query?, key?, value?);
        let mask = self.mask(&query, &key, masks)?;
        let config = AttentionConfig {
            dropout_p: if ctx.is_training() {
                self.config.dropout
            } else {
                0.0
            },
            is_causal: masks.is_causal && mask.is_none(),
            philox: ctx.philox(self.stream),
            step: ctx.step(),
            ..Default::default()
        };
        let (heads, weights) = if masks.need_weights {
            let weights = weights_of(&query, &key, mask.as_ref(), config.is_causal)?;
            let dropped = if config.dropout_p > 0.0 {
                weights.dropout(config.dropout_p, &config.philox, config.step)?
            } else {
                weights
            };
            let shown = if masks.average_attn_weights {
                dropped.mean(&[1], false)?
            } else {
                dropped.clone()
            };
            (dropped.matmul(&value)?, Some(shown))
        } else {
            (
                query.scaled_dot_product_attention(&key, &value, mask.as_ref(), &config)?,
                None,
            )
        };
        let [count, _, rows, _] = heads.shape().to_array("multihead_attention")?;
        let joined = heads.transpose(1, 2)?.reshape([count, rows, self.width])?;
        let bias = self.output_bias.as_ref().map(Parameter::var);
        let out = joined.linear(&self.output.var(), bias.as_ref())?;
        let out = match (alone, self.config.batch_first) {
            (true, _) => out.squeeze(0)?,
            (false, true) => out,
            (false, false) => out.transpose(0, 1)?,
        };
        let weights = match weights {
            Some(weights) if alone => Some(weights.squeeze(0)?),
            weights => weights,
        };
        Ok((out, weights))
    }

    /// Queries, keys and values of width E, `(N, …, E)`.
    fn project(&self, inputs: [&Var; 3], alone: bool) -> Result<[Var; 3]> {
        let batched = |x: &Var| match (alone, self.config.batch_first) {
            (true, _) => x.unsqueeze(0),
            (false, true) => Ok(x.clone()),
            (false, false) => x.transpose(0, 1),
        };
        let bias = self.input_bias.as_ref().map(Parameter::var);
        let [query, key, value] = inputs;
        if let ([weight], true, true) = (
            &self.input[..],
            std::ptr::eq(query, key),
            std::ptr::eq(key, value),
        ) {
            let all = batched(query)?.linear(&weight.var(), bias.as_ref())?;
            return three(all.chunk(3, -1)?);
        }
        let weights = match &self.input[..] {
            [weight] => three(weight.var().chunk(3, 0)?)?,
            each => three(each.iter().map(Parameter::var).collect())?,
        };
        let biases = bias.map(|bias| bias.chunk(3, 0)).transpose()?;
        let each = |i: usize| {
            let bias = biases.as_ref().map(|b| &b[i]);
            batched(inputs[i])?.linear(&weights[i], bias)
        };
        Ok([each(0)?, each(1)?, each(2)?])
    }

    /// `(N, L, E)` as `(N, heads, L, E / heads)`.
    fn split(&self, x: &Var) -> Result<Var> {
        let [count, rows, _] = x.shape().to_array("multihead_attention")?;
        x.reshape([count, rows, self.heads, self.width / self.heads])?
            .transpose(1, 2)
    }

    /// One mask from both, as attention wants it: bool, true where a query sees a key, or added to the scores.
    fn mask(&self, query: &Var, key: &Var, masks: &AttentionMasks<'_>) -> Result<Option<Var>> {
        let ([count, heads, rows, _], keys) = (
            query.shape().to_array::<4>("multihead_attention")?,
            key.dims()[2],
        );
        let mut all = Vec::new();
        if let Some(mask) = masks.attn_mask {
            all.push(match mask.rank() {
                3 => {
                    let last = mask.dims()[2];
                    mask.reshape([count, heads, rows, last])?
                }
                _ => mask.clone(),
            });
        } else if masks.is_causal && (masks.key_padding_mask.is_some() || keys != query.dims()[2]) {
            // Keys that were added behind the others are seen by all.
            let own =
                keys - usize::from(self.bias_kv.is_some()) - usize::from(self.config.add_zero_attn);
            let hidden: Vec<bool> = (0..rows * own).map(|at| at % own > at / own).collect();
            all.push(Var::constant(Tensor::from_slice(&hidden, [rows, own])?));
        }
        if let Some(mask) = masks.key_padding_mask {
            let last = mask.dims().last().copied().unwrap_or(1);
            all.push(mask.reshape([mask.numel() / last.max(1), 1, 1, last])?);
        }
        let mut found: Option<Var> = None;
        for mask in all {
            let mask = padded(&mask, keys)?;
            found = Some(match found {
                None => seen(&mask)?,
                Some(other) => both(&other, &seen(&mask)?, query.dtype())?,
            });
        }
        Ok(found)
    }
}

fn three(mut parts: Vec<Var>) -> Result<[Var; 3]> {
    parts.truncate(3);
    let got = parts.len();
    parts.try_into().map_err(|_| Error::Length {
        op: "multihead_attention",
        expected: 3,
        got,
    })
}

/// `(N, S, E)` with one more row, the same for all.
fn followed_by(x: &Var, row: &Var) -> Result<Var> {
    let row = row.expand([x.dims()[0], 1, x.dims()[2]])?;
    Var::cat(&[x, &row], 1)
}

/// A mask with columns for keys that were added: they are seen.
fn padded(mask: &Var, keys: usize) -> Result<Var> {
    let Some((&last, before)) = mask.dims().split_last().filter(|(last, _)| **last < keys) else {
        return Ok(mask.clone());
    };
    let more = Tensor::zeros([before, &[keys - last]].concat(), mask.dtype())?;
    Var::cat(&[mask, &Var::constant(more)], -1)
}

/// A mask that is true where keys are hidden, turned round; one that is added, as it is.
fn seen(mask: &Var) -> Result<Var> {
    if mask.dtype() == DType::Bool {
        return Ok(Var::constant(mask.logical_not()?));
    }
    Ok(mask.clone())
}

/// Both masks in one.
fn both(a: &Var, b: &Var, dtype: DType) -> Result<Var> {
    if a.dtype() == DType::Bool && b.dtype() == DType::Bool {
        return Ok(Var::constant(a.logical_and(b)?));
    }
    added(a, dtype)?.add(&added(b, dtype)?)
}

/// A mask as what is added to the scores: -∞ where keys are hidden.
fn added(mask: &Var, dtype: DType) -> Result<Var> {
    if mask.dtype() != DType::Bool {
        return Ok(mask.clone());
    }
    let of = |value: f64| Tensor::constant(Shape::SCALAR, dtype, value).map(Var::constant);
    of(0.0)?.where_(mask.tensor(), &of(f64::NEG_INFINITY)?)
}

/// The weights of all heads, as attention takes them.
fn weights_of(query: &Var, key: &Var, mask: Option<&Var>, causal: bool) -> Result<Var> {
    let ([_, _, rows, width], keys) = (
        query.shape().to_array::<4>("multihead_attention")?,
        key.dims()[2],
    );
    let mut scores = query
        .matmul(&key.transpose(-1, -2)?)?
        .mul_scalar(1.0 / (width as f64).sqrt())?;
    let hidden = Var::constant(Tensor::constant(
        Shape::SCALAR,
        query.dtype(),
        f64::NEG_INFINITY,
    )?);
    if causal {
        let seen: Vec<bool> = (0..rows * keys).map(|at| at % keys <= at / keys).collect();
        scores = scores.where_(&Tensor::from_slice(&seen, [rows, keys])?, &hidden)?;
    }
    scores = match mask {
        Some(mask) if mask.dtype() == DType::Bool => scores.where_(mask.tensor(), &hidden)?,
        Some(mask) => scores.add(mask)?,
        None => scores,
    };
    scores.softmax(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamStore;

    fn values(x: &Var) -> Vec<f64> {
        x.tensor().to_vec().unwrap()
    }

    fn input(rows: usize) -> Var {
        let data: Vec<f64> = (0..rows * 8).map(|i| (i as f64 * 0.7).sin()).collect();
        Var::leaf(Tensor::from_slice(&data, [rows, 2, 4]).unwrap())
    }

    #[test]
    fn both_paths_agree_under_all_masks() {
        let store = ParamStore::with_dtype(3, DType::F64);
        let config = MultiheadAttentionConfig {
            add_bias_kv: true,
            add_zero_attn: true,
            dropout: 0.4,
            ..Default::default()
        };
        let layer = MultiheadAttention::new(&store.root(), 4, 2, &config).unwrap();
        let x = input(3);
        let padding = Var::constant(
            Tensor::from_slice(&[false, true, false, false, false, true], [2, 3]).unwrap(),
        );
        let added: Vec<f64> = (0..36).map(|i| f64::from(i % 5) / 4.0).collect();
        let added = Var::constant(Tensor::from_slice(&added, [4, 3, 3]).unwrap());
        let hidden: Vec<bool> = (0..9).map(|i| i % 4 == 1).collect();
        let hidden = Var::constant(Tensor::from_slice(&hidden, [3, 3]).unwrap());
        for key_padding_mask in [None, Some(&padding)] {
            for (attn_mask, is_causal) in [
                (None, false),
                (Some(&added), false),
                (Some(&hidden), false),
                (None, true),
            ] {
                let run = |need_weights| {
                    let masks = AttentionMasks {
                        key_padding_mask,
                        attn_mask,
                        is_causal,
                        need_weights,
                        ..Default::default()
                    };
                    let (y, _) = layer
                        .forward(&x, &x, &x, &masks, &Ctx::train(5, 6))
                        .unwrap();
                    let grads = y
                        .square()
                        .unwrap()
                        .sum(&[], false)
                        .unwrap()
                        .backward()
                        .unwrap();
                    (
                        values(&y),
                        grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
                    )
                };
                let (a, b) = (run(true), run(false));
                for (a, b) in a.0.iter().chain(&a.1).zip(b.0.iter().chain(&b.1)) {
                    assert!((a - b).abs() < 1e-12, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn museum_56_padding_alone_gives_the_bias_of_the_output() {
        let store = ParamStore::with_dtype(3, DType::F64);
        let layer =
            MultiheadAttention::new(&store.root(), 4, 2, &MultiheadAttentionConfig::default())
                .unwrap();
        let padding = Var::constant(
            Tensor::from_slice(&[true, true, true, false, false, false], [2, 3]).unwrap(),
        );
        let x = input(3);
        for (need_weights, ctx) in [
            (true, Ctx::eval()),
            (false, Ctx::eval()),
            (true, Ctx::train(1, 1)),
            (false, Ctx::train(1, 1)),
        ] {
            let masks = AttentionMasks {
                key_padding_mask: Some(&padding),
                need_weights,
                ..Default::default()
            };
            let (y, weights) = layer.forward(&x, &x, &x, &masks, &ctx).unwrap();
            let all = values(&y);
            assert!(all.chunks(8).all(|step| step[..4] == [0.0; 4]), "{all:?}");
            assert!(all.iter().all(|x| x.is_finite()));
            assert!(weights.is_none_or(|w| values(&w)[..9] == [0.0; 9]));
        }
    }
}
