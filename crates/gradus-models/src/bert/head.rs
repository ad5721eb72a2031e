//! The heads of BERT, RoBERTa and DistilBERT.

use gradus_autograd::{Parameter, Result, Tensor, Var};
use gradus_nn::{Ctx, Dropout, Init, LayerNorm, Linear, Module, Scope};

use super::config::BertConfig;
use super::norm;
use crate::pretrained::{Activation, pooled};
use crate::{Architecture, FolderConfig, Head, ModelError, ModelResult};

/// The layer that BERT and RoBERTa have over the first token.
#[derive(Clone, Debug)]
pub(super) struct Pooler(Linear);

impl Pooler {
    /// The pooler of the models that transformers gives one; frozen where the head does not read it.
    pub(super) fn new(base: &Scope, config: &BertConfig, head: &Head) -> ModelResult<Option<Self>> {
        let read = match (config.architecture, head) {
            (Architecture::DistilBert, _) => return Ok(None),
            (_, Head::None | Head::Pooled) => false,
            (Architecture::Bert, Head::SequenceClassification { .. }) => true,
            _ => return Ok(None),
        };
        let scope = base.at("pooler.dense");
        let layer = Linear::with_init(&scope, config.width, config.width, true, config.init)?;
        if !read {
            let all = [Some(layer.weight()), layer.bias()];
            all.into_iter()
                .flatten()
                .for_each(|p| p.set_trainable(false));
        }
        Ok(Some(Self(layer)))
    }
}

/// A head's own layers.
#[derive(Clone, Debug)]
pub(super) enum HeadLayers {
    Hidden,
    Pooled,
    MaskedLm {
        dense: Linear,
        activation: Activation,
        norm: LayerNorm,
        bias: Parameter,
    },
    /// Of the first token, through a layer with its activation; RoBERTa drops before it, too.
    Sequence {
        dense: Linear,
        activation: Activation,
        before: Option<Dropout>,
        dropout: Dropout,
        classifier: Linear,
    },
    Tokens {
        dropout: Dropout,
        classifier: Linear,
    },
}

impl HeadLayers {
    pub(super) fn new(
        scope: &Scope,
        config: &BertConfig,
        keys: &FolderConfig,
        head: &Head,
        pooler: Option<Pooler>,
    ) -> ModelResult<Self> {
        let linear = |name: &str, outputs| {
            Linear::with_init(&scope.at(name), config.width, outputs, true, config.init)
        };
        let dropout = |p| Dropout::new(&scope.at("dropout"), p);
        if head.labels().is_some_and(<[String]>::is_empty) {
            return Err(keys.wrong("id2label", "at least one label"));
        }
        Ok(match head {
            Head::None => Self::Hidden,
            Head::Pooled => Self::Pooled,
            Head::MaskedLm => {
                if !keys.flag_or("tie_word_embeddings", true)? {
                    return Err(keys.wrong(
                        "tie_word_embeddings",
                        "true: the head shares the table of tokens",
                    ));
                }
                let (names, activation) = masked_lm(config);
                Self::MaskedLm {
                    dense: linear(names[0], config.width)?,
                    activation,
                    norm: norm(&scope.at(names[1]), config)?,
                    bias: scope
                        .at(names[2])
                        .parameter("bias", [config.vocab], Init::Zeros)?,
                }
            }
            Head::SequenceClassification { labels } => {
                let (name, last, activation) = match config.architecture {
                    Architecture::Roberta => {
                        ("classifier.dense", "classifier.out_proj", Activation::Tanh)
                    }
                    Architecture::DistilBert => ("pre_classifier", "classifier", Activation::Relu),
                    _ => ("", "classifier", Activation::Tanh),
                };
                let dense = match pooler {
                    Some(Pooler(layer)) => layer,
                    None => linear(name, config.width)?,
                };
                let roberta = config.architecture == Architecture::Roberta;
                let before = Dropout::new(&scope.at("classifier.dropout"), config.head_dropout);
                Self::Sequence {
                    dense,
                    activation,
                    before: roberta.then_some(before),
                    dropout: dropout(config.head_dropout),
                    classifier: linear(last, labels.len())?,
                }
            }
            Head::TokenClassification { labels } => Self::Tokens {
                dropout: dropout(match config.architecture {
                    Architecture::DistilBert => config.dropout,
                    _ => config.head_dropout,
                }),
                classifier: linear("classifier", labels.len())?,
            },
            Head::CausalLm => {
                return Err(ModelError::Head {
                    architecture: config.architecture,
                    head: head.name(),
                    has: "none, masked language model, sequence classification, token classification, pooled",
                });
            }
        })
    }

    pub(super) fn forward(
        &self,
        hidden: &Var,
        mask: Option<&Tensor>,
        table: &Parameter,
        ctx: &Ctx,
    ) -> Result<Var> {
        match self {
            Self::Hidden => Ok(hidden.clone()),
            Self::Pooled => pooled(hidden, mask),
            Self::MaskedLm {
                dense,
                activation,
                norm,
                bias,
            } => {
                let x = activation.apply(&dense.forward(hidden, ctx)?)?;
                let x = norm.forward(&x, ctx)?;
                x.linear(&table.var(), Some(&bias.var()))
            }
            Self::Sequence {
                dense,
                activation,
                before,
                dropout,
                classifier,
            } => {
                let mut x = hidden.select(1, 0)?;
                if let Some(before) = before {
                    x = before.forward(&x, ctx)?;
                }
                let x = activation.apply(&dense.forward(&x, ctx)?)?;
                classifier.forward(&dropout.forward(&x, ctx)?, ctx)
            }
            Self::Tokens {
                dropout,
                classifier,
            } => classifier.forward(&dropout.forward(hidden, ctx)?, ctx),
        }
    }
}

/// Where the layers of a masked language model stand, and their activation: dense, norm, and what has the bias.
fn masked_lm(config: &BertConfig) -> ([&'static str; 3], Activation) {
    match config.architecture {
        Architecture::Roberta => (
            ["lm_head.dense", "lm_head.layer_norm", "lm_head"],
            Activation::Gelu,
        ),
        Architecture::DistilBert => (
            ["vocab_transform", "vocab_layer_norm", "vocab_projector"],
            config.activation,
        ),
        _ => (
            [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions",
            ],
            config.activation,
        ),
    }
}

/// Under which names a checkpoint may repeat parameters of the head.
pub(super) fn tied_keys(architecture: Architecture, head: &Head) -> Vec<[String; 2]> {
    if *head != Head::MaskedLm {
        return Vec::new();
    }
    let table = "embeddings.word_embeddings.weight";
    let pairs: &[[&str; 2]] = match architecture {
        Architecture::Roberta => &[
            ["lm_head.decoder.weight", "roberta."],
            ["lm_head.decoder.bias", "lm_head.bias"],
        ],
        Architecture::DistilBert => &[["vocab_projector.weight", "distilbert."]],
        _ => &[
            ["cls.predictions.decoder.weight", "bert."],
            ["cls.predictions.decoder.bias", "cls.predictions.bias"],
        ],
    };
    let own = |[alias, target]: &[&str; 2]| {
        let target = match target.ends_with('.') {
            true => format!("{target}{table}"),
            false => (*target).to_owned(),
        };
        [(*alias).to_owned(), target]
    };
    pairs.iter().map(own).collect()
}
