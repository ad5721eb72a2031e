//! What text models have in common: their architectures, their heads, and what they answer.

use std::fmt;

use gradus_autograd::{DType, Error, Result, ResultExt, Tensor, Var};
use gradus_nn::Ctx;

use super::FolderConfig;
use crate::{KvCache, ModelResult};

/// An architecture, by the `model_type` of its `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// BERT: Devlin et al. 2018, arXiv:1810.04805.
    Bert,
    /// RoBERTa: Liu et al. 2019, arXiv:1907.11692.
    Roberta,
    /// DistilBERT: Sanh et al. 2019, arXiv:1910.01108.
    DistilBert,
    /// GPT-2: Radford et al. 2019.
    Gpt2,
    /// LLaMA: Touvron et al. 2023, arXiv:2302.13971.
    Llama,
    /// Qwen2: Yang et al. 2024, arXiv:2407.10671.
    Qwen2,
    /// Mistral: Jiang et al. 2023, arXiv:2310.06825.
    Mistral,
    /// Vision transformer: Dosovitskiy et al. 2020, arXiv:2010.11929.
    Vit,
    /// The encoder-decoder of Vaswani et al. 2017, arXiv:1706.03762.
    Transformer,
}

impl Architecture {
    /// All that are known.
    pub const ALL: [Self; 9] = [
        Self::Bert,
        Self::Roberta,
        Self::DistilBert,
        Self::Gpt2,
        Self::Llama,
        Self::Qwen2,
        Self::Mistral,
        Self::Vit,
        Self::Transformer,
    ];

    /// Those of texts alone.
    pub const TEXT: [Self; 7] = [
        Self::Bert,
        Self::Roberta,
        Self::DistilBert,
        Self::Gpt2,
        Self::Llama,
        Self::Qwen2,
        Self::Mistral,
    ];

    /// The `model_type` in `config.json`.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::DistilBert => "distilbert",
            Self::Gpt2 => "gpt2",
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Mistral => "mistral",
            Self::Vit => "vit",
            Self::Transformer => "transformer",
        }
    }

    /// What stands before the names of the parameters below the head, in a model that has one.
    pub(crate) const fn base_prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta => "roberta.",
            Self::DistilBert => "distilbert.",
            Self::Gpt2 | Self::Transformer => "transformer.",
            Self::Llama | Self::Qwen2 | Self::Mistral => "model.",
            Self::Vit => "vit.",
        }
    }

    /// How the names of heads begin, without the base's prefix.
    const fn heads(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &["cls.", "classifier.", "qa_outputs.", "pooler."],
            Self::Roberta => &["lm_head.", "classifier.", "qa_outputs.", "pooler."],
            Self::DistilBert => &[
                "vocab_transform.",
                "vocab_layer_norm.",
                "vocab_projector.",
                "pre_classifier.",
                "classifier.",
                "qa_outputs.",
            ],
            Self::Vit => &["classifier.", "pooler."],
            Self::Gpt2 | Self::Llama | Self::Qwen2 | Self::Mistral | Self::Transformer => {
                &["lm_head.", "score.", "classifier.", "qa_outputs."]
            }
        }
    }

    /// Whether a parameter belongs to a head.
    pub(crate) fn is_head(self, name: &str) -> bool {
        let name = name.strip_prefix(self.base_prefix()).unwrap_or(name);
        self.heads().iter().any(|head| name.starts_with(head))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type())
    }
}

/// What a text model ends in. Letters: B sequences of T tokens, V tokens in the vocabulary, E the width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The hidden states of the last layer, `(B, T, E)`.
    None,
    /// A score of each token of the vocabulary at each place, `(B, T, V)`, from both sides of the place.
    MaskedLm,
    /// A score of each token of the vocabulary to come next, `(B, T, V)`, from what stands before.
    CausalLm,
    /// A score of each label for the whole sequence (or image), `(B, labels)`.
    SequenceClassification {
        /// The names of the labels.
        labels: Vec<String>,
    },
    /// A score of each label for each token, `(B, T, labels)`.
    TokenClassification {
        /// The names of the labels.
        labels: Vec<String>,
    },
    /// One vector of length 1 for each sequence, `(B, E)`: the mean of the hidden states of its real tokens, as in sentence-transformers.
    Pooled,
}

impl Head {
    /// The name in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MaskedLm => "masked language model",
            Self::CausalLm => "causal language model",
            Self::SequenceClassification { .. } => "sequence classification",
            Self::TokenClassification { .. } => "token classification",
            Self::Pooled => "pooled",
        }
    }

    /// The labels, for the heads that have them.
    pub fn labels(&self) -> Option<&[String]> {
        match self {
            Self::SequenceClassification { labels } | Self::TokenClassification { labels } => {
                Some(labels)
            }
            _ => None,
        }
    }

    /// The head of the class that `architectures` names, with the labels of `id2label`; [`Head::None`] where it names none that is known.
    ///
    /// # Errors
    /// [`crate::ModelError::Config`] for labels that cannot be read.
    pub fn of(config: &FolderConfig) -> ModelResult<Self> {
        let class = config
            .get("architectures")
            .and_then(|all| all.get(0))
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let labels = || config.labels();
        Ok(if class.ends_with("ForMaskedLM") {
            Self::MaskedLm
        } else if class.ends_with("ForCausalLM") || class.ends_with("LMHeadModel") {
            Self::CausalLm
        } else if class.ends_with("ForSequenceClassification")
            || class.ends_with("ForImageClassification")
        {
            Self::SequenceClassification { labels: labels()? }
        } else if class.ends_with("ForTokenClassification") {
            Self::TokenClassification { labels: labels()? }
        } else {
            Self::None
        })
    }
}

/// What every text model answers.
pub trait TextModel: Send + Sync {
    /// The architecture.
    fn architecture(&self) -> Architecture;

    /// How many tokens there are; ids stay below.
    fn vocab_size(&self) -> usize;

    /// The longest sequence, where there is one.
    fn max_positions(&self) -> Option<usize>;

    /// The width of the hidden states.
    fn width(&self) -> usize;

    /// The head's output for tokens (i64, `(B, T)`). In the mask (bool, `(B, T)`) true stands at real tokens; without one all are real.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a token that the vocabulary does not have; [`Error::Argument`] for more tokens than positions;
    /// those of shapes and dtypes; all with the module's path in front.
    fn forward(&self, tokens: &Tensor, mask: Option<&Tensor>, ctx: &Ctx) -> Result<Var>;

    /// The model as one that can be asked for the next token.
    fn as_causal(&self) -> Option<&dyn CausalLm> {
        None
    }

    /// The `config.json` that transformers' `from_pretrained` needs, but for the dtype, which [`crate::export`] adds.
    fn config_json(&self) -> serde_json::Value;

    /// Names under which checkpoints may repeat a parameter, each with the parameter's own name.
    fn tied_keys(&self) -> Vec<[String; 2]> {
        Vec::new()
    }
}

/// A model that continues texts.
pub trait CausalLm: TextModel {
    /// Takes the next tokens (i64, `(B, T)`) of sequences that the cache holds the beginning of, adds them to it, and gives the scores
    /// `(B, V)` of the token that follows the last of them. The cache's padding says which of the first tokens are none. Nothing is recorded
    /// for a backward.
    ///
    /// # Errors
    /// As [`TextModel::forward`], and those of the cache.
    fn step(&self, tokens: &Tensor, cache: &mut KvCache, ctx: &Ctx) -> Result<Tensor>;

    /// How many layers a cache for this model has.
    fn cache_layers(&self) -> usize;
}

/// What tokens and mask were found to be.
pub(crate) struct Sequences {
    pub(crate) count: usize,
    pub(crate) len: usize,
}

/// Refuses tokens and masks that a model cannot take, before anything is computed.
pub(crate) fn require_sequences(
    tokens: &Tensor,
    mask: Option<&Tensor>,
    vocab: usize,
    positions: Option<usize>,
) -> Result<Sequences> {
    let [count, len] = tokens.shape().to_array("tokens")?;
    for (position, id) in tokens.to_vec::<i64>()?.into_iter().enumerate() {
        if usize::try_from(id).map_or(true, |id| id >= vocab) {
            return Err(Error::IndexOutOfRange {
                op: "tokens",
                position,
                index: id,
                len: vocab,
            })
            .at(|| "the vocabulary lacks a token; was the text encoded with this model's tokenizer?");
        }
    }
    if let Some(most) = positions.filter(|&most| len > most) {
        return Err(Error::Argument {
            op: "tokens",
            name: "length of a sequence",
            expected: "at most the model's positions",
            got: len as f64,
        })
        .at(|| format!("the model has {most} positions; cut the text or split it"));
    }
    if let Some(mask) = mask {
        if mask.dtype() != DType::Bool {
            return Err(Error::DType {
                op: "mask",
                expected: &[DType::Bool],
                got: mask.dtype(),
            });
        }
        if mask.shape() != tokens.shape() {
            return Err(Error::ShapeMismatch {
                op: "mask",
                lhs: *tokens.shape(),
                rhs: *mask.shape(),
                rule: "the mask has the shape of the tokens",
            });
        }
    }
    Ok(Sequences { count, len })
}
