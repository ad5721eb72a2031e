//! The transformer that maps a sequence of tokens to another: Vaswani et al. 2017, arXiv:1706.03762.
//!
//! Letters: B pairs of a source of S tokens and a target of T tokens, E the width.

use gradus_autograd::ops::EmbeddingConfig;
use gradus_autograd::{DType, Error, Parameter, Result, ResultExt, Tensor, Var};
use gradus_nn::{
    Ctx, Dropout, Embedding, Gain, Init, Module, Scope, SequenceMasks, Transformer,
    TransformerActivation, TransformerConfig,
};

use crate::pretrained::require_sequences;

/// How a model knows where a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Positions {
    /// Sines and cosines of wavelengths from 2π to 20000π, as in the paper: nothing to learn.
    #[default]
    Sinusoidal,
    /// A learned vector for each position.
    Learned,
}

/// The options of [`EncoderDecoder`], with the paper's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderDecoderConfig {
    /// Tokens of the sources' vocabulary. Default: 37000.
    pub source_vocab: usize,
    /// Tokens of the targets' vocabulary. Default: 37000.
    pub target_vocab: usize,
    /// E. Default: 512.
    pub width: usize,
    /// Heads of each attention, a divisor of the width. Default: 8.
    pub heads: usize,
    /// Layers of encoder and decoder. Default: 6 and 6.
    pub layers: [usize; 2],
    /// The width between the linear layers. Default: 2048.
    pub inner: usize,
    /// The probability of every dropout, in training. Default: 0.1.
    pub dropout: f64,
    /// The nonlinearity between the linear layers. Default: ReLU.
    pub activation: TransformerActivation,
    /// Whether norms come in front of attention and linear layers instead of behind. Default: no.
    pub norm_first: bool,
    /// How positions are known. Default: [`Positions::Sinusoidal`].
    pub positions: Positions,
    /// The longest source or target. Default: 512.
    pub max_positions: usize,
    /// Whether the output shares the targets' table of tokens. Default: yes.
    pub tied: bool,
}

impl Default for EncoderDecoderConfig {
    fn default() -> Self {
        Self {
            source_vocab: 37_000,
            target_vocab: 37_000,
            width: 512,
            heads: 8,
            layers: [6, 6],
            inner: 2048,
            dropout: 0.1,
            activation: TransformerActivation::Relu,
            norm_first: false,
            positions: Positions::Sinusoidal,
            max_positions: 512,
            tied: true,
        }
    }
}

/// An encoder that reads the source from both sides, and a decoder that continues the target.
///
/// Keys: `source.tokens.weight`, `source.positions.weight` (where learned), the same of `target`, those of PyTorch's `nn.Transformer` below
/// `transformer`, `output.bias`, and `output.weight` where it is not tied.
#[derive(Clone, Debug)]
pub struct EncoderDecoder {
    path: String,
    config: EncoderDecoderConfig,
    source: Tokens,
    target: Tokens,
    transformer: Transformer,
    weight: Parameter,
    bias: Parameter,
}

impl EncoderDecoder {
    /// A fresh model at `scope`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the heads do not divide the width; those of making the parameters.
    pub fn new(scope: &Scope, config: &EncoderDecoderConfig) -> Result<Self> {
        let target = Tokens::new(&scope.at("target"), config.target_vocab, config)?;
        let options = TransformerConfig {
            dim_feedforward: config.inner,
            dropout: config.dropout,
            activation: config.activation,
            batch_first: true,
            norm_first: config.norm_first,
            ..TransformerConfig::default()
        };
        let output = scope.at("output");
        let shape = [config.target_vocab, config.width];
        let xavier = Init::XavierUniform { gain: Gain::Linear };
        Ok(Self {
            path: scope.path().to_owned(),
            config: *config,
            source: Tokens::new(&scope.at("source"), config.source_vocab, config)?,
            transformer: Transformer::new(
                &scope.at("transformer"),
                config.width,
                config.heads,
                config.layers,
                &options,
            )?,
            weight: if config.tied {
                target.table.weight().clone()
            } else {
                output.parameter("weight", shape, xavier)?
            },
            bias: output.parameter("bias", [config.target_vocab], Init::Zeros)?,
            target,
        })
    }

    /// The options.
    pub fn config(&self) -> &EncoderDecoderConfig {
        &self.config
    }

    /// The scores `(B, T, target_vocab)` of the token behind each of the target's, given the sources.
    ///
    /// `source` and `target` are i64, `(B, S)` and `(B, T)`; in their masks (bool, of the same shape) true stands at real tokens. A place
    /// of the target sees the places up to its own.
    ///
    /// # Errors
    /// As [`EncoderDecoder::encode`] and [`EncoderDecoder::decode`].
    pub fn forward(
        &self,
        source: (&Tensor, Option<&Tensor>),
        target: (&Tensor, Option<&Tensor>),
        ctx: &Ctx,
    ) -> Result<Var> {
        let memory = self.encode(source.0, source.1, ctx)?;
        self.decode(target, (&memory, source.1), ctx)
    }

    /// What the encoder makes of the sources, `(B, S, E)`: all that the decoder needs of them, however often it is asked.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a token that the vocabulary does not have; [`Error::Argument`] for more tokens than positions; those
    /// of shapes and dtypes; all with the module's path in front.
    pub fn encode(&self, tokens: &Tensor, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var> {
        let encode = || {
            let x = self.source.forward(tokens, mask, &self.config, ctx)?;
            let padding = padding(mask)?;
            let masks = SequenceMasks {
                key_padding_mask: padding.as_ref(),
                ..SequenceMasks::default()
            };
            self.transformer.encoder().forward(&x, &masks, ctx)
        };
        encode().at(|| self.path.as_str())
    }

    /// The scores `(B, T, target_vocab)` of the token behind each of the target's; `memory` is what [`EncoderDecoder::encode`] gave, with
    /// the sources' mask.
    ///
    /// # Errors
    /// As [`EncoderDecoder::encode`].
    pub fn decode(
        &self,
        (tokens, mask): (&Tensor, Option<&Tensor>),
        (memory, memory_mask): (&Var, Option<&Tensor>),
        ctx: &Ctx,
    ) -> Result<Var> {
        let decode = || {
            let x = self.target.forward(tokens, mask, &self.config, ctx)?;
            let (padding, hidden) = (padding(mask)?, padding(memory_mask)?);
            let own = SequenceMasks {
                key_padding_mask: padding.as_ref(),
                is_causal: true,
                ..SequenceMasks::default()
            };
            let other = SequenceMasks {
                key_padding_mask: hidden.as_ref(),
                ..SequenceMasks::default()
            };
            let decoder = self.transformer.decoder();
            let x = decoder.forward(&x, memory, &own, &other, ctx)?;
            x.linear(&self.weight.var(), Some(&self.bias.var()))
        };
        decode().at(|| self.path.as_str())
    }
}

/// The mask of PyTorch's layers, where true hides a key.
fn padding(mask: Option<&Tensor>) -> Result<Option<Var>> {
    let Some(mask) = mask else {
        return Ok(None);
    };
    let hidden: Vec<bool> = mask.to_vec::<bool>()?.iter().map(|real| !real).collect();
    Tensor::from_slice(&hidden, mask.shape()).map(|hidden| Some(Var::constant(hidden)))
}

/// Tokens as vectors, with their positions added, and dropped from in training.
#[derive(Clone, Debug)]
struct Tokens {
    table: Embedding,
    vocab: usize,
    learned: Option<Embedding>,
    dropout: Dropout,
}

impl Tokens {
    fn new(scope: &Scope, vocab: usize, config: &EncoderDecoderConfig) -> Result<Self> {
        // Vectors are multiplied by √E on the way in, after which they spread by 1.
        let std = 1.0 / (config.width as f64).sqrt();
        let normal = Init::Normal { mean: 0.0, std };
        let table = |name: &str, rows| {
            let options = EmbeddingConfig::default();
            Embedding::with_init(&scope.at(name), rows, config.width, &options, normal)
        };
        let learned = || table("positions", config.max_positions);
        Ok(Self {
            table: table("tokens", vocab)?,
            vocab,
            learned: (config.positions == Positions::Learned)
                .then(learned)
                .transpose()?,
            dropout: Dropout::new(&scope.at("dropout"), config.dropout),
        })
    }

    fn forward(
        &self,
        tokens: &Tensor,
        mask: Option<&Tensor>,
        config: &EncoderDecoderConfig,
        ctx: &Ctx,
    ) -> Result<Var> {
        let all = require_sequences(tokens, mask, self.vocab, Some(config.max_positions))?;
        let x = self.table.forward(tokens)?;
        let x = x.mul_scalar((config.width as f64).sqrt())?;
        let places = match &self.learned {
            Some(table) => {
                let ids: Vec<i64> = (0..all.len as i64).collect();
                table.forward(&Tensor::from_slice(&ids, [all.len])?)?
            }
            None => Var::constant(sinusoidal(all.len, config.width, x.dtype())?),
        };
        self.dropout.forward(&x.add(&places)?, ctx)
    }
}

/// `(T, E)`: at position `p`, element `2 i` is `sin(p / 10000^(2 i / E))`, and element `2 i + 1` its cosine.
fn sinusoidal(len: usize, width: usize, dtype: DType) -> Result<Tensor> {
    let values = Tensor::build([len, width], |dst: &mut [f64]| {
        for (at, x) in dst.iter_mut().enumerate() {
            let (position, element) = ((at / width) as f64, at % width);
            let rate = 10_000_f64.powf((element - element % 2) as f64 / width as f64);
            let angle = position / rate;
            *x = if element % 2 == 0 {
                angle.sin()
            } else {
                angle.cos()
            };
        }
    })?;
    match dtype {
        DType::F64 => Ok(values),
        DType::F32 => values.to_dtype(dtype),
        got => Err(Error::DType {
            op: "positions",
            expected: &[DType::F32, DType::F64],
            got,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_nn::ParamStore;

    fn small() -> EncoderDecoderConfig {
        EncoderDecoderConfig {
            source_vocab: 11,
            target_vocab: 13,
            width: 8,
            heads: 2,
            layers: [2, 2],
            inner: 12,
            max_positions: 6,
            ..EncoderDecoderConfig::default()
        }
    }

    fn tokens(ids: &[i64], rows: usize) -> Tensor {
        Tensor::from_slice(ids, [rows, ids.len() / rows]).unwrap()
    }

    fn values(x: &Var) -> Vec<f64> {
        x.tensor().to_vec().unwrap()
    }

    #[test]
    fn sines_and_cosines_are_those_of_the_paper() {
        let got = sinusoidal(3, 5, DType::F64)
            .unwrap()
            .to_vec::<f64>()
            .unwrap();
        let rate = |i: f64| 10_000_f64.powf(2.0 * i / 5.0);
        let (slow, slowest) = (2.0 / rate(1.0), 2.0 / rate(2.0));
        let want = [
            2_f64.sin(),
            2_f64.cos(),
            slow.sin(),
            slow.cos(),
            slowest.sin(),
        ];
        assert_eq!(got[..5], [0.0, 1.0, 0.0, 1.0, 0.0]);
        for (g, w) in got[10..].iter().zip(want) {
            assert!((g - w).abs() < 1e-15, "{got:?}");
        }
    }

    #[test]
    fn a_place_of_the_target_sees_the_source_and_what_stands_before_it() {
        for positions in [Positions::Sinusoidal, Positions::Learned] {
            for norm_first in [false, true] {
                let config = EncoderDecoderConfig {
                    positions,
                    norm_first,
                    ..small()
                };
                let store = ParamStore::with_dtype(5, DType::F64);
                let model = EncoderDecoder::new(&store.root(), &config).unwrap();
                let run = |source: &[i64], target: &[i64]| {
                    let (source, target) = (tokens(source, 1), tokens(target, 1));
                    let all = model.forward((&source, None), (&target, None), &Ctx::eval());
                    values(&all.unwrap())
                };
                let first = run(&[1, 2, 3], &[4, 5, 6, 7]);
                let other = run(&[1, 2, 3], &[4, 5, 9, 7]);
                assert_eq!(first[..26], other[..26]);
                assert_ne!(first[26..39], other[26..39]);
                assert_ne!(first[39..], other[39..]);
                assert_ne!(first[..13], run(&[3, 2, 1], &[4, 5, 6, 7])[..13]);
            }
        }
    }

    #[test]
    fn padding_of_either_side_changes_nothing() {
        let store = ParamStore::with_dtype(5, DType::F64);
        let model = EncoderDecoder::new(&store.root(), &small()).unwrap();
        let (source, target) = (tokens(&[1, 2, 3], 1), tokens(&[4, 5], 1));
        let alone = model.forward((&source, None), (&target, None), &Ctx::eval());
        let (source, target) = (tokens(&[1, 2, 3, 0, 0], 1), tokens(&[4, 5, 0], 1));
        let masks = [
            Tensor::from_slice(&[true, true, true, false, false], [1, 5]).unwrap(),
            Tensor::from_slice(&[true, true, false], [1, 3]).unwrap(),
        ];
        let padded = model.forward(
            (&source, Some(&masks[0])),
            (&target, Some(&masks[1])),
            &Ctx::eval(),
        );
        let (alone, padded) = (values(&alone.unwrap()), values(&padded.unwrap()));
        for (a, b) in alone.iter().zip(&padded[..26]) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn every_parameter_has_a_gradient_and_the_table_is_shared() {
        let store = ParamStore::with_dtype(5, DType::F64);
        let config = EncoderDecoderConfig {
            positions: Positions::Learned,
            ..small()
        };
        let model = EncoderDecoder::new(&store.root(), &config).unwrap();
        let (source, target) = (tokens(&[1, 2, 3], 1), tokens(&[4, 5], 1));
        let scores = model.forward((&source, None), (&target, None), &Ctx::train(1, 1));
        let loss = scores.unwrap().square().unwrap().sum(&[], false).unwrap();
        let grads = loss.backward().unwrap();
        let parameters = store.parameters();
        assert!(parameters.iter().all(|p| grads.get(p).is_some()));
        assert!(parameters.iter().all(|p| p.name() != "output.weight"));
        let store = ParamStore::seeded(5);
        EncoderDecoder::new(
            &store.root(),
            &EncoderDecoderConfig {
                tied: false,
                ..small()
            },
        )
        .unwrap();
        assert!(
            store
                .parameters()
                .iter()
                .any(|p| p.name() == "output.weight")
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let store = ParamStore::seeded(5);
        let model = EncoderDecoder::new(&store.root().at("model"), &small()).unwrap();
        let fits = tokens(&[1, 2], 1);
        let run = |source: &Tensor, target: &Tensor| {
            let run = model.forward((source, None), (target, None), &Ctx::eval());
            run.unwrap_err().to_string()
        };
        let foreign = run(&tokens(&[11], 1), &fits);
        assert!(
            foreign.starts_with("model: ") && foreign.contains("outside 0..11"),
            "{foreign}"
        );
        assert!(run(&fits, &tokens(&[1; 7], 1)).contains("6 positions"));
        let heads = EncoderDecoderConfig {
            heads: 3,
            ..small()
        };
        assert!(EncoderDecoder::new(&store.root(), &heads).is_err());
    }
}
