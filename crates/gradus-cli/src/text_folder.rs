//! Folders of text models: the configuration, the tokenizer beside it, and texts from files.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gradus_data::TextLines;
use gradus_models::FolderConfig;
use gradus_text::Tokenizer;
use serde_json::{Map, Value};

/// What a folder of a text model has beside its weights.
#[derive(Debug)]
pub(crate) struct TextFolder {
    pub(crate) path: PathBuf,
    pub(crate) config: FolderConfig,
    pub(crate) tokenizer: Tokenizer,
}

impl TextFolder {
    /// Reads the configuration and the tokenizer; the weights come later.
    ///
    /// # Errors
    /// No folder, a folder without one of the files, an unknown architecture, or files that cannot be used.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        const NEEDS: &str =
            "a text model's folder has config.json, model.safetensors and tokenizer.json";
        let name = path.display();
        if !path.is_dir() {
            bail!("{name}: no such folder; {NEEDS}");
        }
        if !path.join("config.json").is_file() {
            bail!("{name}: has no config.json; {NEEDS}");
        }
        let config = FolderConfig::open(path)?;
        config.architecture()?;
        Ok(Self {
            path: path.to_owned(),
            config,
            tokenizer: Tokenizer::open(path)?,
        })
    }

    /// Refuses a tokenizer whose ids the model does not have.
    ///
    /// # Errors
    /// A tokenizer with more tokens than the model.
    pub(crate) fn require_fit(&self, vocab: usize) -> Result<()> {
        let tokens = self.tokenizer.vocab_size();
        if tokens > vocab {
            bail!(
                "{}: the tokenizer has {tokens} tokens and the model {vocab}; they do not belong together",
                self.path.display()
            );
        }
        Ok(())
    }

    /// The tokens that end a text: what `generation_config.json` says, else `config.json`, else the tokenizer.
    ///
    /// # Errors
    /// A file that cannot be used, or has something else than ids there.
    pub(crate) fn end_tokens(&self) -> Result<Vec<u32>> {
        const KEY: &str = "eos_token_id";
        let path = self.path.join("generation_config.json");
        let own = json_object(&path)?;
        let said = own.get(KEY).filter(|value| !value.is_null());
        let Some(said) = said.or_else(|| self.config.get(KEY)) else {
            return Ok(self.tokenizer.eos().into_iter().collect());
        };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match said {
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.with_context(|| {
            format!(
                "{}: {KEY} must be a token's id or a list of them, got {said}",
                self.path.display()
            )
        })
    }
}

/// The JSON object in a file; an empty one without the file.
///
/// # Errors
/// A file that cannot be read or is something else.
pub(crate) fn json_object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let read = || -> Result<_> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    read().with_context(|| path.display().to_string())
}

/// The lines of a file, or of stdin for `-`.
///
/// # Errors
/// A file that cannot be opened; each line has those of reading.
pub(crate) fn lines(file: &Path) -> Result<Box<dyn Iterator<Item = Result<String>> + Send>> {
    if file == Path::new("-") {
        let lines = BufReader::new(io::stdin()).lines();
        return Ok(Box::new(lines.map(|line| line.context("stdin"))));
    }
    let lines = TextLines::open(file)?;
    Ok(Box::new(lines.map(|line| Ok(line?))))
}
