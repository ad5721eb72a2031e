//! Causal language models: the next token of plain text.

use std::path::Path;
use std::sync::Arc;

use gradus_autograd::Var;
use gradus_autograd::ops::CrossEntropyConfig;
use gradus_checkpoint::{RunDir, StateDict};
use gradus_data::{
    Batch, Dataset, Loader, MemoryTokens, TokenFile, TokenSource, TokenWindows, split_tokens,
};
use gradus_models::Head;
use gradus_nn::{Ctx, ParamStore};
use gradus_text::{Tokenizer, train_tokenizer};

use super::text::{TextParts, counted, open_tokenizer, read_text};
use super::{About, Split, Task};
use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::metrics::EvalReport;

/// Bytes of text that are made into tokens at once.
const PIECE: usize = 1 << 20;

/// A language model and text.
pub(super) struct LanguageModel {
    config: TrainConfig,
    about: About,
    parts: TextParts,
    train: Arc<dyn Dataset>,
    eval: Option<(String, Arc<dyn Dataset>)>,
}

impl LanguageModel {
    pub(super) fn open(config: &TrainConfig) -> Result<Self> {
        let path = Path::new(&config.train_file);
        let tokenizer = open_tokenizer(config, |options| train_tokenizer(options, &[path]))?;
        let parts = TextParts::open(config, Head::CausalLm, tokenizer)?;
        let all = tokens_of(&parts.tokenizer, path)?;
        let (train, held_out): (Arc<dyn TokenSource>, Option<Arc<dyn TokenSource>>) =
            if config.eval_file.is_empty() && config.val_fraction > 0.0 {
                let (train, val) = split_tokens(all, config.val_fraction)?;
                (Arc::new(train), Some(Arc::new(val)))
            } else {
                (all, None)
            };
        let block = parts.longest;
        let eval = match held_out {
            Some(val) => Some(("val", val)),
            None if config.eval_file.is_empty() => None,
            None => Some((
                "test",
                tokens_of(&parts.tokenizer, Path::new(&config.eval_file))?,
            )),
        };
        let windows = |(name, tokens): (&str, Arc<dyn TokenSource>)| -> Result<_> {
            let windows: Arc<dyn Dataset> = Arc::new(TokenWindows::sequential(tokens, block)?);
            Ok((name.to_owned(), windows))
        };
        let eval = eval.map(windows).transpose()?;
        let count = config.windows_per_epoch;
        let train: Arc<dyn Dataset> = match count {
            0 => Arc::new(TokenWindows::sequential(train, block)?),
            _ => Arc::new(TokenWindows::random(train, block, count, config.seed)?),
        };
        let about = About {
            model: parts.model.architecture().to_string(),
            data: config.train_file.clone(),
            classes: Vec::new(),
            samples: train.len(),
            unit: "windows",
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

impl Task for LanguageModel {
    fn about(&self) -> &About {
        &self.about
    }

    fn store(&self) -> &ParamStore {
        &self.parts.store
    }

    fn train_loader(&self) -> Result<Loader> {
        self.parts
            .loader(&self.config, Arc::clone(&self.train), None)
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
        let (_, data) = self.eval.as_ref().ok_or_else(|| TrainError::NoSplit {
            data: self.config.train_file.clone(),
            split: "eval",
            has: "train only".into(),
        })?;
        let loader = self
            .parts
            .eval_loader(&self.config, Arc::clone(data), false)?;
        self.parts.score_tokens(&loader)
    }

    fn save(&self, dir: &RunDir, weights: &StateDict, best: Option<&StateDict>) -> Result<()> {
        self.parts.save(dir, weights, best)
    }
}

/// The tokens of a text file, or of a token file (`.tokens`).
pub(crate) fn tokens_of(tokenizer: &Tokenizer, path: &Path) -> Result<Arc<dyn TokenSource>> {
    if path.extension().is_some_and(|end| end == "tokens") {
        return Ok(Arc::new(TokenFile::open(path)?));
    }
    let text = read_text(path)?;
    let mut ids = Vec::new();
    for piece in pieces(&text) {
        ids.extend(tokenizer.encode(piece, false)?.ids);
    }
    Ok(Arc::new(MemoryTokens(ids)))
}

/// The text in pieces of about [`PIECE`] bytes that end with a line, so that long texts need little memory at a time.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.len() {
            0..=PIECE => rest.len(),
            _ => rest.as_bytes()[PIECE..]
                .windows(2)
                // where no white space follows, so that no tokenizer would have joined them
                .position(|pair| pair[0] == b'\n' && !pair[1].is_ascii_whitespace())
                .map_or(rest.len(), |at| PIECE + at + 1),
        };
        let (piece, next) = rest.split_at(end);
        rest = next;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_with_lines_and_lose_nothing() {
        let line = "ä line of some length\n\n";
        let text = line.repeat(3 * PIECE / line.len());
        let pieces: Vec<&str> = pieces(&text).collect();
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.ends_with("\n\n")));
        assert_eq!(pieces.concat(), text);
        let one = "x".repeat(2 * PIECE);
        assert_eq!(super::pieces(&one).collect::<Vec<_>>(), [one.as_str()]);
    }
}
