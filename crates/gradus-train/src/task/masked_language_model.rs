//! Masked language models: tokens that were hidden, from both sides. Devlin et al. 2018, arXiv:1810.04805.

use std::path::Path;
use std::sync::Arc;

use gradus_autograd::Var;
use gradus_autograd::ops::CrossEntropyConfig;
use gradus_checkpoint::{RunDir, StateDict};
use gradus_data::{Batch, Dataset, Loader, MaskConfig, MaskedTokens, TextLines, TokenizedTexts};
use gradus_models::Head;
use gradus_nn::{Ctx, ParamStore};
use gradus_text::{EncodeConfig, train_tokenizer};

use super::text::{TextParts, counted, open_tokenizer};
use super::{About, Split, Task};
use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::EvalReport;

/// Texts, masked anew each epoch, and how long each is.
struct Masked {
    data: Arc<dyn Dataset>,
    lengths: Vec<usize>,
}

/// A masked language model and lines of text.
pub(super) struct MaskedLanguageModel {
    config: TrainConfig,
    about: About,
    parts: TextParts,
    train: Masked,
    eval: Option<(String, Masked)>,
}

impl MaskedLanguageModel {
    pub(super) fn open(config: &TrainConfig) -> Result<Self> {
        let path = Path::new(&config.train_file);
        let tokenizer = open_tokenizer(config, |options| train_tokenizer(options, &[path]))?;
        let parts = TextParts::open(config, Head::MaskedLm, tokenizer)?;
        let mut lines = lines_of(path)?;
        let eval = if !config.eval_file.is_empty() {
            Some(("test", lines_of(Path::new(&config.eval_file))?))
        } else if config.val_fraction > 0.0 {
            let kept = ((1.0 - config.val_fraction) * lines.len() as f64) as usize;
            Some(("val", lines.split_off(kept.max(1))))
        } else {
            None
        };
        let train = masked(config, &parts, &lines)?;
        let make = |(name, lines): (&str, Vec<String>)| -> Result<_> {
            Ok((name.to_owned(), masked(config, &parts, &lines)?))
        };
        let eval = eval
            .filter(|(_, lines)| !lines.is_empty())
            .map(make)
            .transpose()?;
        let about = About {
            model: parts.model.architecture().to_string(),
            data: config.train_file.clone(),
            classes: Vec::new(),
            samples: train.data.len(),
            unit: "texts",
            warnings: parts.warnings.clone(),
        };
        Ok(Self {
            config: config.clone(),
            about,
            parts,
            train,
            eval,
        })
    }
}

/// The lines that are not empty.
fn lines_of(path: &Path) -> Result<Vec<String>> {
    let lines: Vec<String> = TextLines::open(path)?.collect::<gradus_data::Result<_>>()?;
    let lines: Vec<String> = lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        return Err(TrainError::Incomplete {
            path: path.to_owned(),
            what: "has no text".into(),
        });
    }
    Ok(lines)
}

fn masked(config: &TrainConfig, parts: &TextParts, lines: &[String]) -> Result<Masked> {
    let tokenizer = &parts.tokenizer;
    let mask_id = tokenizer.mask().ok_or_else(|| TrainError::Incomplete {
        path: config.tokenizer.clone().into(),
        what: "the tokenizer has no mask token, which masked language models need".into(),
    })?;
    let options = EncodeConfig {
        max_length: Some(parts.longest),
        ..EncodeConfig::default()
    };
    let encodings = tokenizer.encode_batch(lines, &options)?;
    let texts = TokenizedTexts::unlabelled(encodings.into_iter().map(|e| e.ids).collect())?;
    let lengths = texts.lengths();
    let special = tokenizer.special_ids();
    let data = MaskedTokens::new(
        Arc::new(texts),
        MaskConfig {
            share: config.mask_probability,
            seed: config.seed,
            ..MaskConfig::new(mask_id, tokenizer.vocab_size(), special)
        },
    )?;
    Ok(Masked {
        data: Arc::new(data),
        lengths,
    })
}

/// Scores a model on the lines of a file.
///
/// # Errors
/// As opening the task.
pub(crate) fn score_file(
    parts: &TextParts,
    config: &TrainConfig,
    path: &Path,
) -> Result<EvalReport> {
    let Masked { data, .. } = masked(config, parts, &lines_of(path)?)?;
    parts.score_tokens(&parts.eval_loader(config, data, true)?)
}

impl Task for MaskedLanguageModel {
    fn about(&self) -> &About {
        &self.about
    }

    fn store(&self) -> &ParamStore {
        &self.parts.store
    }

    fn train_loader(&self) -> Result<Loader> {
        let Masked { data, lengths } = &self.train;
        self.parts
            .loader(&self.config, Arc::clone(data), Some(lengths.clone()))
    }

    fn loss(&self, batch: &Batch, ctx: &Ctx) -> Result<Var> {
        let loss = CrossEntropyConfig {
            label_smoothing: self.config.label_smoothing,
            ..CrossEntropyConfig::default()
        };
        self.parts.loss(batch, &loss, ctx)
    }

    fn weight(&self, batch: &Batch) -> Result<f64> {
        counted(batch)
    }

    fn split(&self, _split: Split) -> Option<&str> {
        self.eval.as_ref().map(|(name, _)| name.as_str())
    }

    fn evaluate(&self, _split: Split) -> Result<EvalReport> {
        let (_, eval) = self.eval.as_ref().ok_or_else(|| TrainError::NoSplit {
            data: self.config.train_file.clone(),
            split: "eval",
            has: "train only".into(),
        })?;
        let loader = self
            .parts
            .eval_loader(&self.config, Arc::clone(&eval.data), true)?;
        self.parts.score_tokens(&loader)
    }

    fn save(&self, dir: &RunDir, weights: &StateDict, best: Option<&StateDict>) -> Result<()> {
        self.parts.save(dir, weights, best)
    }
}
