//! What BERT, RoBERTa and DistilBERT read from their configurations, and where they differ.

use gradus_autograd::{Result, Tensor};
use gradus_nn::Init;
use serde_json::{Map, Value};

use crate::pretrained::Activation;
use crate::self_attention::{AttentionNames, AttentionSize};
use crate::{Architecture, FolderConfig, Head, ModelResult};

/// Where parameters stand below the base.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) layers: &'static str,
    pub(super) attention: AttentionNames,
    pub(super) norms: [&'static str; 2],
    pub(super) feedforward: [&'static str; 2],
}

const BERT: Names = Names {
    layers: "encoder.layer",
    attention: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ],
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    feedforward: ["intermediate.dense", "output.dense"],
};

const DISTILBERT: Names = Names {
    layers: "transformer.layer",
    attention: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
    ],
    norms: ["sa_layer_norm", "output_layer_norm"],
    feedforward: ["ffn.lin1", "ffn.lin2"],
};

/// The sizes and rates of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct BertConfig {
    pub(super) architecture: Architecture,
    pub(super) vocab: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    /// Rows of the table of positions.
    pub(super) positions: usize,
    /// Kinds of tokens; 0 in DistilBERT.
    pub(super) kinds: usize,
    pub(super) padding: Option<usize>,
    pub(super) activation: Activation,
    pub(super) eps: f64,
    pub(super) dropout: f64,
    pub(super) attention_dropout: f64,
    pub(super) head_dropout: f64,
    pub(super) init: Init,
}

impl BertConfig {
    /// Reads the keys of the architecture that `model_type` names, with transformers' defaults.
    pub(super) fn read(keys: &FolderConfig) -> ModelResult<Self> {
        let architecture = keys.architecture()?;
        let distil = match architecture {
            Architecture::DistilBert => true,
            Architecture::Bert | Architecture::Roberta => false,
            _ => return Err(keys.wrong("model_type", "bert, roberta or distilbert")),
        };
        let of = |bert: &'static str, distilbert: &'static str| -> &'static str {
            if distil { distilbert } else { bert }
        };
        let dropout = keys.share_or(of("hidden_dropout_prob", "dropout"), 0.1)?;
        let normal = Init::Normal {
            mean: 0.0,
            std: keys.number_or("initializer_range", 0.02)?,
        };
        let roberta = architecture == Architecture::Roberta;
        let config = Self {
            architecture,
            vocab: keys.size("vocab_size")?,
            width: keys.size(of("hidden_size", "dim"))?,
            layers: keys.count(of("num_hidden_layers", "n_layers"))?,
            heads: keys.size(of("num_attention_heads", "n_heads"))?,
            inner: keys.size(of("intermediate_size", "hidden_dim"))?,
            positions: keys.size_or("max_position_embeddings", 512)?,
            kinds: if distil {
                0
            } else {
                match keys.optional_count("type_vocab_size")? {
                    Some(0) => 1, // files that mean no difference
                    _ => keys.size_or("type_vocab_size", 2)?,
                }
            },
            padding: padding(keys, if roberta { 1 } else { 0 })?,
            activation: Activation::read(keys, of("hidden_act", "activation"), "gelu")?,
            eps: if distil {
                1e-12
            } else {
                keys.number_or("layer_norm_eps", 1e-12)?
            },
            dropout,
            attention_dropout: keys
                .share_or(of("attention_probs_dropout_prob", "attention_dropout"), 0.1)?,
            head_dropout: if distil {
                keys.share_or("seq_classif_dropout", 0.2)?
            } else {
                keys.share_or("classifier_dropout", dropout)?
            },
            init: normal,
        };
        config.check(keys, of)?;
        Ok(config)
    }

    fn check(
        &self,
        keys: &FolderConfig,
        of: impl Fn(&'static str, &'static str) -> &'static str,
    ) -> ModelResult<()> {
        let width = of("hidden_size", "dim");
        if !self.width.is_multiple_of(self.heads) {
            let heads = of("num_attention_heads", "n_heads");
            return Err(keys.wrong(width, format!("a multiple of {heads}, {}", self.heads)));
        }
        if self.layers > 10_000 {
            return Err(keys.wrong(of("num_hidden_layers", "n_layers"), "at most 10000"));
        }
        if self.padding.is_some_and(|at| at >= self.vocab) {
            return Err(keys.wrong("pad_token_id", format!("below vocab_size, {}", self.vocab)));
        }
        if self.positions <= self.first_place() {
            let least = self.first_place() + 1;
            return Err(keys.wrong("max_position_embeddings", format!("at least {least}")));
        }
        if keys
            .optional_text("position_embedding_type")?
            .unwrap_or("absolute")
            != "absolute"
        {
            return Err(keys.wrong("position_embedding_type", "\"absolute\""));
        }
        if keys.flag_or("is_decoder", false)? {
            return Err(keys.wrong("is_decoder", "false: only encoders are built"));
        }
        Ok(())
    }

    pub(super) fn names(&self) -> &'static Names {
        match self.architecture {
            Architecture::DistilBert => &DISTILBERT,
            _ => &BERT,
        }
    }

    pub(super) fn attention(&self) -> AttentionSize {
        AttentionSize {
            width: self.width,
            heads: self.heads,
            dropout: self.attention_dropout,
            bias: true,
        }
    }

    /// DistilBERT drops nothing behind its attention.
    pub(super) fn attention_output_dropout(&self) -> f64 {
        match self.architecture {
            Architecture::DistilBert => 0.0,
            _ => self.dropout,
        }
    }

    /// The row of the first token's position: RoBERTa's begin behind that of padding.
    fn first_place(&self) -> usize {
        match self.architecture {
            Architecture::Roberta => self.padding.map_or(0, |at| at + 1),
            _ => 0,
        }
    }

    /// How many tokens a sequence has at most.
    pub(super) fn usable_positions(&self) -> usize {
        self.positions - self.first_place()
    }

    /// The rows of the table of positions: `(T,)`, or `(B, T)` for RoBERTa, which does not count padding tokens.
    pub(super) fn place_ids(&self, tokens: &Tensor) -> Result<Tensor> {
        let [count, len] = tokens.shape().to_array("tokens")?;
        if self.architecture != Architecture::Roberta {
            let ids: Vec<i64> = (0..len as i64).collect();
            return Tensor::from_slice(&ids, [len]);
        }
        let (first, padding) = (self.first_place() as i64, self.padding.map(|at| at as i64));
        let mut ids = tokens.to_vec::<i64>()?;
        for row in ids.chunks_exact_mut(len.max(1)) {
            let mut next = first;
            for id in row {
                if Some(*id) == padding {
                    *id = first - 1;
                } else {
                    *id = next;
                    next += 1;
                }
            }
        }
        Tensor::from_slice(&ids, [count, len])
    }

    /// `config.json` for transformers: the keys read, with the class and labels of the head.
    pub(super) fn json(&self, keys: &FolderConfig, head: &Head) -> Value {
        let mut all: Map<String, Value> = keys.keys().clone();
        let base = match self.architecture {
            Architecture::Roberta => "Roberta",
            Architecture::DistilBert => "DistilBert",
            _ => "Bert",
        };
        let class = match head {
            Head::MaskedLm => "ForMaskedLM",
            Head::SequenceClassification { .. } => "ForSequenceClassification",
            Head::TokenClassification { .. } => "ForTokenClassification",
            _ => "Model",
        };
        let class = format!("{base}{class}");
        all.insert("architectures".into(), vec![class].into());
        crate::pretrained::write_labels(&mut all, head);
        all.into()
    }
}

/// The id of padding: null means none, and a missing key the default.
fn padding(keys: &FolderConfig, default: usize) -> ModelResult<Option<usize>> {
    match keys.keys().get("pad_token_id") {
        None => Ok(Some(default)),
        Some(_) => keys.optional_count("pad_token_id"),
    }
}
