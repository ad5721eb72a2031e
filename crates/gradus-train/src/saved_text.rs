//! A text model in a folder, of a run or of Hugging Face: scored on files, and asked for classes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gradus_autograd::{DType, Tensor, no_grad};
use gradus_data::TokenWindows;
use gradus_models::{FolderConfig, Head};
use gradus_nn::Ctx;
use gradus_text::{EncodeConfig, Tokenizer};
use serde::Serialize;

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::{EvalReport, softmax_row};
use crate::saved::Prediction;
use crate::task::text::TextParts;
use crate::task::{self, Split, classification, language_model, masked_language_model};

/// Tokens of a window or text, where no run says how many.
const BLOCK: usize = 512;

/// What a classifier says of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TextPrediction {
    /// The most probable classes of the text, the best first.
    Text {
        /// The classes.
        top: Vec<Prediction>,
    },
    /// The most probable classes of each of its words.
    Words {
        /// The words.
        words: Vec<WordPrediction>,
    },
}

/// What a classifier says of a word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WordPrediction {
    /// The word.
    pub word: String,
    /// Its most probable classes, the best first; empty if the word is beyond the longest text.
    pub top: Vec<Prediction>,
}

/// A text model with its tokenizer.
pub struct SavedText {
    folder: PathBuf,
    config: TrainConfig,
    head: Head,
    parts: TextParts,
}

impl SavedText {
    /// Whether a folder holds a text model: whether it has a `config.json`.
    pub fn is_at(folder: &Path) -> bool {
        folder.join("config.json").is_file()
    }

    /// Opens the model of a folder; `run` is the configuration of the run that it is, if it is one.
    ///
    /// # Errors
    /// What is wrong with the folder, its model or its tokenizer; [`TrainError::Incomplete`] for a model without a head that can be scored.
    pub fn open(folder: &Path, run: Option<&TrainConfig>) -> Result<Self> {
        let head = Head::of(&FolderConfig::open(folder)?)?;
        let task = match &head {
            Head::CausalLm => "language-model",
            Head::MaskedLm => "masked-language-model",
            Head::SequenceClassification { .. } => "text-classification",
            Head::TokenClassification { .. } => "token-classification",
            Head::None | Head::Pooled => {
                return Err(TrainError::Incomplete {
                    path: folder.join("config.json"),
                    what: format!(
                        "`architectures` names no head to be scored ({}); train one with gradus train --from, or use gradus embed",
                        head.name()
                    ),
                });
            }
        };
        let fresh = || TrainConfig {
            block_size: BLOCK,
            ..TrainConfig::of_task(task)
        };
        let config = TrainConfig {
            task: task.into(),
            from: folder.to_string_lossy().into_owned(),
            tokenizer: String::new(),
            init: String::new(),
            lora_rank: 0,
            ..run.cloned().unwrap_or_else(fresh)
        };
        let parts = TextParts::open(&config, head.clone(), Tokenizer::open(folder)?)?;
        Ok(Self {
            folder: folder.to_owned(),
            config,
            head,
            parts,
        })
    }

    /// Scores the model on a file, or on what its run kept for it.
    ///
    /// # Errors
    /// What is wrong with the data; [`TrainError::NoSplit`] without a file and without a run that kept one.
    pub fn evaluate(&self, file: Option<&Path>) -> Result<EvalReport> {
        let Some(file) = file else {
            if self.config.train_file.is_empty() {
                return Err(TrainError::NoSplit {
                    data: self.folder.to_string_lossy().into_owned(),
                    split: "eval",
                    has: "no data of its own: name a file with --data".into(),
                });
            }
            return task::open(&self.config)?.evaluate(Split::Test);
        };
        match &self.head {
            Head::CausalLm => {
                let tokens = language_model::tokens_of(&self.parts.tokenizer, file)?;
                let windows = TokenWindows::sequential(tokens, self.parts.longest)?;
                let loader = self
                    .parts
                    .eval_loader(&self.config, Arc::new(windows), false)?;
                self.parts.score_tokens(&loader)
            }
            Head::MaskedLm => masked_language_model::score_file(&self.parts, &self.config, file),
            head => classification::score_file(&self.parts, head, &self.config, file),
        }
    }

    /// The `k` most probable classes of a text, or of each of its words.
    ///
    /// # Errors
    /// [`TrainError::Incomplete`] unless the model is a classifier; those of the model.
    pub fn predict(&self, text: &str, k: usize) -> Result<TextPrediction> {
        let Some(labels) = self.head.labels() else {
            return Err(TrainError::Incomplete {
                path: self.folder.join("config.json"),
                what: format!(
                    "is a {}, no classifier; continue texts with gradus generate",
                    self.head.name()
                ),
            });
        };
        let options = EncodeConfig {
            max_length: Some(self.parts.longest),
            ..EncodeConfig::default()
        };
        if let Head::SequenceClassification { .. } = self.head {
            let encodings = self.parts.tokenizer.encode_batch(&[text], &options)?;
            let rows = self.probabilities(&encodings[0].ids, labels.len())?;
            let top = top(labels, &rows[0], k);
            return Ok(TextPrediction::Text { top });
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let encoding = self.parts.tokenizer.encode_words(&words, &options)?;
        let rows = self.probabilities(&encoding.ids, labels.len())?;
        let of_word = |(number, word): (u32, &&str)| {
            let first = encoding.words.iter().position(|w| *w == Some(number));
            WordPrediction {
                word: (*word).to_owned(),
                top: first.map_or_else(Vec::new, |at| top(labels, &rows[at], k)),
            }
        };
        let words = (0..).zip(&words).map(of_word).collect();
        Ok(TextPrediction::Words { words })
    }

    /// The softmax of each row of scores for one text.
    fn probabilities(&self, ids: &[u32], classes: usize) -> Result<Vec<Vec<f64>>> {
        let ids: Vec<i64> = ids.iter().copied().map(i64::from).collect();
        let tokens = Tensor::from_slice(&ids, [1, ids.len()])?;
        let model = &self.parts.model;
        let scores = no_grad(|| model.forward(&tokens, None, &Ctx::eval()))?;
        let scores: Vec<f32> = scores.tensor().to_dtype(DType::F32)?.to_vec()?;
        Ok(scores.chunks_exact(classes).map(softmax_row).collect())
    }
}

fn top(labels: &[String], probabilities: &[f64], k: usize) -> Vec<Prediction> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| {
        probabilities[b]
            .total_cmp(&probabilities[a])
            .then(a.cmp(&b))
    });
    let prediction = |&class: &usize| Prediction {
        label: labels[class].clone(),
        probability: probabilities[class],
    };
    order.iter().take(k).map(prediction).collect()
}
