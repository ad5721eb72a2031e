//! Classes of texts, and of the words in them.

use std::path::Path;
use std::sync::Arc;

use gradus_autograd::Var;
use gradus_autograd::ops::CrossEntropyConfig;
use gradus_checkpoint::{RunDir, StateDict};
use gradus_data::{
    Batch, Dataset, LabelledTexts, Loader, TaggedTexts, TaggedTextsConfig, TextColumns,
    TokenizedTexts, align_labels, stratified_split,
};
use gradus_models::Head;
use gradus_nn::{Ctx, ParamStore};
use gradus_text::{EncodeConfig, Tokenizer, TrainerConfig, train_tokenizer_on};

use super::image::loss_config;
use super::text::{TextParts, counted, open_tokenizer};
use super::{About, Split, Task};
use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::EvalReport;
use crate::run::write_text;

/// What has a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A text.
    Text,
    /// A word.
    Word,
}

/// Texts with their labels, before they are tokens.
enum Texts {
    Whole(Vec<String>, Vec<i64>),
    Words(Vec<Vec<String>>, Vec<Vec<i64>>),
}

impl Texts {
    /// Reads a file; with the classes of another, whose numbers its labels get.
    fn open(
        path: &Path,
        unit: Unit,
        config: &TrainConfig,
        classes: Option<&[String]>,
    ) -> Result<(Self, Vec<String>)> {
        let (texts, classes) = match unit {
            Unit::Text => {
                let columns = TextColumns {
                    text: config.text_column.clone(),
                    label: config.label_column.clone(),
                };
                let read = match classes {
                    None => LabelledTexts::open(path, &columns)?,
                    Some(classes) => LabelledTexts::open_with_classes(path, &columns, classes)?,
                };
                let texts = Self::Whole(read.texts().to_vec(), read.labels().to_vec());
                (texts, read.classes().to_vec())
            }
            Unit::Word => {
                let columns = TaggedTextsConfig::default();
                let read = match classes {
                    None => TaggedTexts::open(path, &columns)?,
                    Some(classes) => TaggedTexts::open_with_classes(path, &columns, classes)?,
                };
                let texts = Self::Words(read.words().to_vec(), read.labels().to_vec());
                (texts, read.classes().to_vec())
            }
        };
        if texts.len() == 0 {
            return Err(TrainError::Incomplete {
                path: path.to_owned(),
                what: "has no texts".into(),
            });
        }
        Ok((texts, classes))
    }

    fn len(&self) -> usize {
        match self {
            Self::Whole(texts, _) => texts.len(),
            Self::Words(texts, _) => texts.len(),
        }
    }

    /// A tokenizer trained on the texts alone: labels and the signs of the file's format teach it nothing.
    fn train_tokenizer(&self, options: &TrainerConfig) -> gradus_text::Result<Tokenizer> {
        match self {
            Self::Whole(texts, _) => train_tokenizer_on(options, texts),
            Self::Words(texts, _) => {
                train_tokenizer_on(options, texts.iter().map(|words| words.join(" ")))
            }
        }
    }

    /// Keeps a share of the texts (of each class) apart.
    fn split(self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        fn pick<T: Clone>(all: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().map(|&i| all[i].clone()).collect()
        }
        Ok(match self {
            Self::Whole(texts, labels) => {
                let split = stratified_split(&labels, fraction, seed)?;
                let part =
                    |indices: &[usize]| Self::Whole(pick(&texts, indices), pick(&labels, indices));
                (part(&split.kept), part(&split.held_out))
            }
            Self::Words(words, labels) => {
                let split = stratified_split(&vec![0; words.len()], fraction, seed)?;
                let part =
                    |indices: &[usize]| Self::Words(pick(&words, indices), pick(&labels, indices));
                (part(&split.kept), part(&split.held_out))
            }
        })
    }

    fn tokenized(&self, tokenizer: &Tokenizer, longest: usize) -> Result<Tokenized> {
        let options = EncodeConfig {
            max_length: Some(longest),
            ..EncodeConfig::default()
        };
        let data = match self {
            Self::Whole(texts, labels) => {
                let encodings = tokenizer.encode_batch(texts, &options)?;
                TokenizedTexts::of_classes(encodings.into_iter().map(|e| e.ids).collect(), labels)?
            }
            Self::Words(words, labels) => {
                let (mut ids, mut targets) = (Vec::new(), Vec::new());
                for (words, labels) in words.iter().zip(labels) {
                    let encoding = tokenizer.encode_words(words, &options)?;
                    targets.push(align_labels(&encoding.words, labels)?);
                    ids.push(encoding.ids);
                }
                TokenizedTexts::of_tokens(ids, targets)?
            }
        };
        Ok(Tokenized {
            lengths: data.lengths(),
            data: Arc::new(data),
        })
    }
}

struct Tokenized {
    data: Arc<dyn Dataset>,
    lengths: Vec<usize>,
}

/// A classifier and labelled texts.
pub(super) struct Classification {
    config: TrainConfig,
    about: About,
    parts: TextParts,
    loss: CrossEntropyConfig,
    train: Tokenized,
    eval: Option<(String, Tokenized)>,
}

impl Classification {
    pub(super) fn open(config: &TrainConfig, unit: Unit) -> Result<Self> {
        let path = Path::new(&config.train_file);
        let (texts, classes) = Texts::open(path, unit, config, None)?;
        let tokenizer = open_tokenizer(config, |options| texts.train_tokenizer(options))?;
        let (texts, eval) = if !config.eval_file.is_empty() {
            let file = Path::new(&config.eval_file);
            let (eval, _) = Texts::open(file, unit, config, Some(&classes))?;
            (texts, Some(("test", eval)))
        } else if config.val_fraction > 0.0 {
            let (kept, held_out) = texts.split(config.val_fraction, config.seed)?;
            (kept, Some(("val", held_out)))
        } else {
            (texts, None)
        };
        let parts = TextParts::open(config, head(unit, &classes), tokenizer)?;
        let train = texts.tokenized(&parts.tokenizer, parts.longest)?;
        let make = |(name, texts): (&str, Texts)| -> Result<_> {
            Ok((
                name.to_owned(),
                texts.tokenized(&parts.tokenizer, parts.longest)?,
            ))
        };
        let eval = eval.map(make).transpose()?;
        let about = About {
            model: parts.model.architecture().to_string(),
            data: config.train_file.clone(),
            samples: train.data.len(),
            unit: "texts",
            warnings: parts.warnings.clone(),
            classes,
        };
        Ok(Self {
            loss: loss_config(config, about.classes.len())?,
            config: config.clone(),
            about,
            parts,
            train,
            eval,
        })
    }
}

/// The head for these classes.
fn head(unit: Unit, classes: &[String]) -> Head {
    let labels = classes.to_vec();
    match unit {
        Unit::Text => Head::SequenceClassification { labels },
        Unit::Word => Head::TokenClassification { labels },
    }
}

/// Scores a model with this head on a file.
///
/// # Errors
/// What is wrong with the file; labels that the model does not know.
pub(crate) fn score_file(
    parts: &TextParts,
    head: &Head,
    config: &TrainConfig,
    path: &Path,
) -> Result<EvalReport> {
    let unit = match head {
        Head::TokenClassification { .. } => Unit::Word,
        _ => Unit::Text,
    };
    let classes = head.labels().unwrap_or_default();
    let (texts, _) = Texts::open(path, unit, config, Some(classes))?;
    let eval = texts.tokenized(&parts.tokenizer, parts.longest)?;
    parts.score_classes(&parts.eval_loader(config, eval.data, true)?, classes)
}

impl Task for Classification {
    fn about(&self) -> &About {
        &self.about
    }

    fn store(&self) -> &ParamStore {
        &self.parts.store
    }

    fn train_loader(&self) -> Result<Loader> {
        let Tokenized { data, lengths } = &self.train;
        self.parts
            .loader(&self.config, Arc::clone(data), Some(lengths.clone()))
    }

    fn loss(&self, batch: &Batch, ctx: &Ctx) -> Result<Var> {
        self.parts.loss(batch, &self.loss, ctx)
    }

    fn weight(&self, batch: &Batch) -> Result<f64> {
        let weights = &self.config.class_weights;
        if weights.is_empty() {
            return counted(batch);
        }
        let labels: Vec<i64> = batch.labels.contiguous()?.to_vec()?;
        let weight = |&label: &i64| usize::try_from(label).ok().and_then(|l| weights.get(l));
        Ok(labels.iter().filter_map(weight).sum())
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
        self.parts.score_classes(&loader, &self.about.classes)
    }

    fn save(&self, dir: &RunDir, weights: &StateDict, best: Option<&StateDict>) -> Result<()> {
        let labels = self.about.classes.iter().map(|class| format!("{class}\n"));
        write_text(&dir.labels(), &labels.collect::<String>())?;
        self.parts.save(dir, weights, best)
    }
}
