//! What the text tasks share: tokenizer and model, fresh or from a folder, how texts are batched and scored, and what a run leaves.

use std::path::Path;
use std::sync::Arc;

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{Tensor, Var, no_grad};
use gradus_checkpoint::{Metadata, RunDir, StateDict, save_state_dict};
use gradus_data::{Batch, Collate, Dataset, LengthBuckets, Loader, LoaderConfig};
use gradus_models::{
    FolderConfig, Head, OpenConfig, Pretrained, TextModel, build_text, export, open_adapted,
    open_pretrained_with, save_adapter,
};
use gradus_nn::{Ctx, LoraConfig, ParamStore};
use gradus_text::{Tokenizer, TrainerConfig, TrainerKind};
use serde_json::{Map, Value};

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::{EvalConfig, EvalReport, Evaluation, Mean};

/// The label that losses and scores pass over.
pub(super) const IGNORED: i64 = -100;
/// Padded lengths are multiples of this, so that few shapes occur.
const MULTIPLE: usize = 8;
/// The folder of a run with the adapters that it trained.
const ADAPTER: &str = "adapter";

/// A tokenizer with the model that reads its tokens.
pub(crate) struct TextParts {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) model: Box<dyn TextModel>,
    pub(crate) store: ParamStore,
    lora: Option<LoraConfig>,
    from: String,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
    /// The most tokens of a text.
    pub(crate) longest: usize,
}

impl TextParts {
    /// The tokenizer and the model that a configuration asks for, with this head.
    ///
    /// # Errors
    /// What is wrong with the folder, the tokenizer or the model; a tokenizer with more tokens than the model.
    pub(crate) fn open(config: &TrainConfig, head: Head, tokenizer: Tokenizer) -> Result<Self> {
        let lora = (config.lora_rank > 0).then(|| LoraConfig {
            rank: config.lora_rank,
            alpha: config.lora_alpha,
            dropout: config.lora_dropout,
            targets: config.lora_targets.clone(),
            ..LoraConfig::default()
        });
        let found = if config.from.is_empty() {
            fresh(config, head, &tokenizer)?
        } else {
            pretrained(config, head, lora.as_ref())?
        };
        let Pretrained {
            store,
            model,
            fresh,
            unused,
            ..
        } = found;
        require_vocabulary(&tokenizer, model.as_ref(), &config.from)?;
        let lora = lora.map(|lora| with_fresh_modules(lora, &store, &fresh));
        let list = |names: &[String]| names.join(", ");
        let mut warnings = Vec::new();
        if !fresh.is_empty() && !config.from.is_empty() {
            warnings.push(format!(
                "{}: has no {}: they start fresh",
                config.from,
                list(&fresh)
            ));
        }
        if !unused.is_empty() {
            warnings.push(format!(
                "{}: its {} are not used",
                config.from,
                list(&unused)
            ));
        }
        let longest = model
            .max_positions()
            .unwrap_or(usize::MAX)
            .min(config.block_size);
        if longest < config.block_size {
            warnings.push(format!(
                "block_size {} is more than the model's {longest} positions: texts are cut to these",
                config.block_size
            ));
        }
        if !config.init.is_empty() {
            gradus_models::load_weights(&store, Path::new(&config.init))?;
        }
        Ok(Self {
            tokenizer,
            model,
            store,
            lora,
            from: config.from.clone(),
            warnings,
            longest,
        })
    }

    /// What fills short texts up. Masks hide it, so any token serves.
    fn padding(&self) -> u32 {
        let tokenizer = &self.tokenizer;
        tokenizer.pad().or_else(|| tokenizer.eos()).unwrap_or(0)
    }

    /// The scores for a batch: those of the head.
    pub(super) fn scores(&self, batch: &Batch, ctx: &Ctx) -> Result<Var> {
        let mask = batch.mask()?;
        Ok(self.model.forward(&batch.x, mask.as_ref(), ctx)?)
    }

    /// The mean cross-entropy over the labels that are not ignored: of classes (B,), or of tokens (B, T).
    pub(super) fn loss(&self, batch: &Batch, loss: &CrossEntropyConfig, ctx: &Ctx) -> Result<Var> {
        let scores = self.scores(batch, ctx)?;
        let (scores, labels) = rows(&scores, &batch.labels)?;
        Ok(scores.cross_entropy(&labels, loss)?)
    }

    /// Batches of texts of different lengths, or of windows of one.
    pub(super) fn loader(
        &self,
        config: &TrainConfig,
        dataset: Arc<dyn Dataset>,
        lengths: Option<Vec<usize>>,
    ) -> Result<Loader> {
        let options = LoaderConfig {
            batch_size: config.batch_size,
            shuffle: config.shuffle,
            drop_last: config.drop_last,
            workers: config.workers,
            prefetch: config.prefetch,
            seed: config.seed,
        };
        let padded = lengths.is_some();
        let lengths = lengths.filter(|_| config.length_buckets && config.shuffle);
        let loader = match lengths {
            None => Loader::new(dataset, options)?,
            Some(lengths) => {
                let buckets = LengthBuckets::new(lengths, config.batch_size, config.seed)?;
                let options = LoaderConfig {
                    shuffle: false,
                    ..options
                };
                Loader::with_sampler(dataset, Arc::new(buckets), options)?
            }
        };
        self.collated(loader, padded)
    }

    /// A data set once, in order.
    pub(crate) fn eval_loader(
        &self,
        config: &TrainConfig,
        dataset: Arc<dyn Dataset>,
        padded: bool,
    ) -> Result<Loader> {
        let options = LoaderConfig {
            batch_size: config.eval_batch_size,
            workers: config.workers,
            prefetch: config.prefetch,
            ..LoaderConfig::default()
        };
        self.collated(Loader::new(dataset, options)?, padded)
    }

    fn collated(&self, loader: Loader, padded: bool) -> Result<Loader> {
        if !padded {
            return Ok(loader);
        }
        Ok(loader.with_collate(Collate::Pad {
            value: i64::from(self.padding()),
            label: IGNORED,
            multiple_of: MULTIPLE,
        })?)
    }

    /// Loss and share of right guesses over the labels that are not ignored.
    pub(crate) fn score_tokens(&self, loader: &Loader) -> Result<EvalReport> {
        let (mut loss, mut right) = (Mean::default(), 0_u64);
        for batch in loader.epoch(0) {
            let batch = batch?;
            let scores = no_grad(|| self.scores(&batch, &Ctx::eval()))?;
            let (scores, labels) = rows(&scores, &batch.labels)?;
            let known: Vec<i64> = labels.to_vec()?;
            let count = known.iter().filter(|&&label| label != IGNORED).count();
            if count == 0 {
                continue;
            }
            let mean = scores.cross_entropy(&labels, &CrossEntropyConfig::default())?;
            loss.add(f64::from(mean.item::<f32>()?), count as u64);
            let guesses: Vec<i64> = scores.argmax(Some(-1), false)?.to_vec()?;
            let hits = guesses.iter().zip(&known).filter(|(a, b)| a == b).count();
            right += hits as u64;
        }
        let count = loss.examples();
        let accuracy = right as f64 / count.max(1) as f64;
        Ok(EvalReport::of_tokens(
            loss.mean().unwrap_or(f64::NAN),
            accuracy,
            count,
        ))
    }

    /// The scores of a classifier of texts or of tokens.
    pub(super) fn score_classes(&self, loader: &Loader, classes: &[String]) -> Result<EvalReport> {
        let options = EvalConfig {
            ignore_index: Some(IGNORED),
            ..EvalConfig::default()
        };
        let mut evaluation = Evaluation::new(classes, options)?;
        for batch in loader.epoch(0) {
            let batch = batch?;
            let scores = no_grad(|| self.scores(&batch, &Ctx::eval()))?;
            let (scores, labels) = rows(&scores, &batch.labels)?;
            let known: Vec<i64> = labels.to_vec()?;
            if known.iter().all(|&label| label == IGNORED) {
                continue;
            }
            let loss = scores.cross_entropy(&labels, &CrossEntropyConfig::default())?;
            let values: Vec<f32> = scores.tensor().to_vec()?;
            evaluation.update(&values, &known, f64::from(loss.item::<f32>()?))?;
        }
        Ok(evaluation.report()?)
    }

    /// Makes the run a folder that transformers opens, and that other commands do.
    pub(super) fn save(
        &self,
        dir: &RunDir,
        weights: &StateDict,
        best: Option<&StateDict>,
    ) -> Result<()> {
        self.store.load_state_dict(weights)?;
        if let Some(lora) = &self.lora {
            let base = Some(self.from.as_str());
            save_adapter(&dir.path().join(ADAPTER), &self.store, lora, base, None)?;
            self.store.merge_adapters()?;
        }
        export(dir.path(), self.model.as_ref(), &self.store)?;
        self.tokenizer.save(dir.path())?;
        if let Some(best) = best {
            save_state_dict(dir.path().join("best.safetensors"), best, &Metadata::new())?;
        }
        Ok(())
    }
}

/// Scores and labels with one row for each label: `(B, C)` and `(B,)` stay, `(B, T, C)` and `(B, T)` become `(B·T, C)` and `(B·T,)`.
fn rows(scores: &Var, labels: &Tensor) -> Result<(Var, Tensor)> {
    if scores.rank() < 3 {
        return Ok((scores.clone(), labels.clone()));
    }
    let [batch, length, classes] = scores.shape().to_array("scores of tokens")?;
    let scores = scores.reshape([batch * length, classes])?;
    Ok((scores, labels.reshape([batch * length])?))
}

/// The number of labels that count.
pub(super) fn counted(batch: &Batch) -> Result<f64> {
    let labels: Vec<i64> = batch.labels.contiguous()?.to_vec()?;
    Ok(labels.iter().filter(|&&label| label != IGNORED).count() as f64)
}

/// The tokenizer that a configuration names, or one that `train` makes of the run's text.
///
/// # Errors
/// What is wrong with the folder or file, and those of training.
pub(crate) fn open_tokenizer(
    config: &TrainConfig,
    train: impl FnOnce(&TrainerConfig) -> gradus_text::Result<Tokenizer>,
) -> Result<Tokenizer> {
    let kind = match config.tokenizer.as_str() {
        "char" => TrainerKind::Char,
        "bpe" => TrainerKind::Bpe,
        "wordpiece" => TrainerKind::WordPiece,
        "unigram" => TrainerKind::Unigram,
        "" if !config.from.is_empty() => return Ok(Tokenizer::open(&config.from)?),
        "" if ["bert", "distilbert", "roberta"].contains(&config.model.as_str()) => {
            TrainerKind::WordPiece
        }
        "" => TrainerKind::Bpe,
        path => return Ok(Tokenizer::open(path)?),
    };
    Ok(train(&TrainerConfig {
        kind,
        vocab_size: config.vocab_size,
        ..TrainerConfig::default()
    })?)
}

/// A model of the configuration's own making, as large as the tokenizer needs.
fn fresh(config: &TrainConfig, head: Head, tokenizer: &Tokenizer) -> Result<Pretrained> {
    let mut keys = Map::new();
    keys.insert("model_type".into(), config.model.clone().into());
    keys.insert("vocab_size".into(), tokenizer.vocab_size().into());
    let positions = match config.model.as_str() {
        "gpt2" => "n_positions",
        _ => "max_position_embeddings",
    };
    keys.insert(positions.into(), config.block_size.into());
    let roles: [(&str, Option<u32>); 3] = [
        ("pad_token_id", tokenizer.pad()),
        ("bos_token_id", tokenizer.bos()),
        ("eos_token_id", tokenizer.eos()),
    ];
    for (key, id) in roles {
        keys.insert(key.into(), id.map_or(Value::Null, Value::from));
    }
    keys.extend(small(&config.model).map(|(key, value)| (key.to_owned(), value.into())));
    keys.extend(config.architecture.clone());
    let folder = FolderConfig::new(keys).with_recompute(config.recompute);
    let store = ParamStore::seeded(config.seed);
    let model = build_text(&folder, head, &store.root())?;
    Ok(Pretrained {
        store,
        model,
        config: folder,
        fresh: Vec::new(),
        unused: Vec::new(),
    })
}

/// The sizes of a fresh model that nobody gave any: 4 layers of 4 heads, 256 wide.
fn small(model: &str) -> [(&'static str, usize); 4] {
    let names = match model {
        "gpt2" => ["n_embd", "n_layer", "n_head", "n_inner"],
        "distilbert" => ["dim", "n_layers", "n_heads", "hidden_dim"],
        _ => [
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
        ],
    };
    let sizes = [256, 4, 4, 1024];
    std::array::from_fn(|i| (names[i], sizes[i]))
}

fn pretrained(config: &TrainConfig, head: Head, lora: Option<&LoraConfig>) -> Result<Pretrained> {
    let folder = Path::new(&config.from);
    let options = OpenConfig {
        seed: config.seed,
        recompute: config.recompute,
        ..OpenConfig::default()
    };
    Ok(match lora {
        None => open_pretrained_with(folder, head, &options)?,
        Some(lora) => open_adapted(folder, head, &options, lora)?,
    })
}

/// The options of adapters, with the modules that the folder lacks: frozen at random values they would be of no use, so they are trained
/// in full and kept beside the adapters, as PEFT's `modules_to_save`.
fn with_fresh_modules(mut lora: LoraConfig, store: &ParamStore, fresh: &[String]) -> LoraConfig {
    for parameter in store.parameters() {
        let name = parameter.name();
        let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
        if fresh.iter().any(|key| key == name) {
            parameter.set_trainable(true);
            if !lora.trained.iter().any(|known| known == module) {
                lora.trained.push(module.to_owned());
            }
        }
    }
    lora
}

/// Refuses a tokenizer whose ids the model has no rows for.
pub(crate) fn require_vocabulary(
    tokenizer: &Tokenizer,
    model: &dyn TextModel,
    from: &str,
) -> Result<()> {
    let (tokens, rows) = (tokenizer.vocab_size(), model.vocab_size());
    if tokens <= rows {
        return Ok(());
    }
    Err(TrainError::Vocabulary {
        path: from.into(),
        tokens,
        rows,
    })
}

/// The whole text of a file.
///
/// # Errors
/// [`TrainError::Io`]; [`TrainError::Incomplete`] if it is empty or not UTF-8, with the line.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(TrainError::io(path, "read"))?;
    let incomplete = |what: String| TrainError::Incomplete {
        path: path.to_owned(),
        what,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        incomplete(format!("line {line} is not UTF-8; convert the file first"))
    })?;
    if text.trim().is_empty() {
        return Err(incomplete("has no text".into()));
    }
    Ok(text)
}
