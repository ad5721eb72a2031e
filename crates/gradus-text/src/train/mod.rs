//! Training a tokenizer on text.
//!
//! The libraries' own trainers walk hash maps of random order and sum in as many parts as there are threads, so that two runs differ. Those here give the
//! same bytes for the same text, on any number of threads; the tokenizers they make are ordinary ones.

mod character;
mod corpus;
mod json;
mod keys;
mod lattice;
mod merges;
mod unigram;
mod word_pieces;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Map;

use crate::error::{Result, TextError};
use crate::open;
use crate::tokenizer::Tokenizer;
use corpus::Corpus;

/// How a tokenizer divides text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainerKind {
    /// Bytes, joined pair by pair, the most frequent first (GPT-2's). Any text has tokens, and decodes to itself.
    #[default]
    Bpe,
    /// Words, and parts of words with `##` before all but the first (BERT's). Chinese characters are words.
    WordPiece,
    /// The pieces that make the text most likely (Kudo 2018, arXiv:1804.10959); a space is `▁`.
    Unigram,
    /// Each character is a token, in the order of their numbers (nanoGPT's for tiny Shakespeare).
    Char,
}

impl TrainerKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Bpe, Self::WordPiece, Self::Unigram, Self::Char];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpe => "bpe",
            Self::WordPiece => "wordpiece",
            Self::Unigram => "unigram",
            Self::Char => "char",
        }
    }

    /// The special tokens that its models use.
    fn usual_special(self) -> &'static [&'static str] {
        match self {
            Self::Bpe => &["<|endoftext|>"],
            Self::WordPiece => &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            Self::Unigram => &["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            Self::Char => &[],
        }
    }
}

impl FromStr for TrainerKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(())
    }
}

/// The options of [`train_tokenizer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainerConfig {
    /// How text is divided; default: bytes, joined pair by pair.
    pub kind: TrainerKind,
    /// The most tokens, with the special ones; default: 30,000. Where the text does not give as many, there are fewer.
    pub vocab_size: usize,
    /// Pairs that occur less often are not joined, and characters of [`TrainerKind::Char`] that do are left out; default: 2 for pairs, 1 for characters.
    pub min_frequency: Option<u64>,
    /// The tokens that have the first ids; default: those that the kind's models use. `[UNK]` or `<unk>` is for what the vocabulary lacks.
    pub special_tokens: Option<Vec<String>>,
    /// Whether [`TrainerKind::WordPiece`] makes letters small and drops their accents; default: yes.
    pub lowercase: bool,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            kind: TrainerKind::Bpe,
            vocab_size: 30_000,
            min_frequency: None,
            special_tokens: None,
            lowercase: true,
        }
    }
}

impl TrainerConfig {
    fn special(&self) -> Vec<String> {
        let usual = || self.kind.usual_special().iter().map(|&t| t.to_owned());
        self.special_tokens
            .clone()
            .unwrap_or_else(|| usual().collect())
    }

    /// Of the special tokens, the one for what the vocabulary lacks.
    fn unk(&self) -> Option<String> {
        let mut special = self.special().into_iter();
        special.find(|token| ["[UNK]", "<unk>"].contains(&token.as_str()))
    }

    /// The tokens that are left when the special ones have theirs; at least `least` are needed.
    fn room(&self, least: usize) -> Result<usize> {
        let special = self.special().len();
        if self.vocab_size < special + least {
            let least = special + least;
            return Err(refuse(
                "vocab_size",
                format!("at least {least} here"),
                self.vocab_size,
            ));
        }
        Ok(self.vocab_size - special)
    }

    fn check(&self) -> Result<()> {
        let special = self.special();
        let mut seen = std::collections::BTreeSet::new();
        for token in &special {
            if token.is_empty() || !seen.insert(token) {
                let expected = "texts that differ".to_owned();
                return Err(refuse("special_tokens", expected, format!("{token:?}")));
            }
        }
        // An id has 32 bits, and the library counts in them.
        if self.vocab_size > 1 << 30 {
            let expected = "at most 2^30".to_owned();
            return Err(refuse("vocab_size", expected, self.vocab_size));
        }
        let unknown = self.kind == TrainerKind::WordPiece || self.kind == TrainerKind::Unigram;
        if unknown && self.unk().is_none() {
            let expected = "with [UNK] or <unk>".to_owned();
            return Err(refuse("special_tokens", expected, format!("{special:?}")));
        }
        Ok(())
    }
}

fn refuse(argument: &'static str, expected: String, got: impl ToString) -> TextError {
    TextError::Argument {
        what: "training a tokenizer",
        argument,
        expected,
        got: got.to_string(),
    }
}

/// Trains a tokenizer on files of UTF-8 text. The same files and options give the same tokenizer, byte for byte.
///
/// # Errors
/// [`TextError::Io`], and [`TextError::Line`] for a line that is no UTF-8; [`TextError::EmptyCorpus`] without any text; [`TextError::Argument`] for a vocabulary
/// that is too small for the special tokens (and bytes), special tokens that repeat, or none for unknown text where the kind needs one.
pub fn train_tokenizer(config: &TrainerConfig, files: &[impl AsRef<Path>]) -> Result<Tokenizer> {
    config.check()?;
    let paths: Vec<PathBuf> = files.iter().map(|file| file.as_ref().to_owned()).collect();
    let mut corpus = Corpus::default();
    for path in &paths {
        corpus.read(path)?;
    }
    train(config, &corpus, paths)
}

/// Trains a tokenizer on texts in memory.
///
/// ```
/// use gradus_text::{TrainerConfig, TrainerKind, train_tokenizer_on};
/// let config = TrainerConfig { kind: TrainerKind::Char, ..Default::default() };
/// let tokenizer = train_tokenizer_on(&config, ["hello world", "春"])?;
/// let ids = tokenizer.encode("dell", false)?.ids; // " dehlorw春"
/// assert_eq!((ids, tokenizer.vocab_size()), (vec![1, 2, 4, 4], 9));
/// # Ok::<(), gradus_text::TextError>(())
/// ```
///
/// # Errors
/// As [`train_tokenizer`].
pub fn train_tokenizer_on<T: AsRef<str>>(
    config: &TrainerConfig,
    texts: impl IntoIterator<Item = T>,
) -> Result<Tokenizer> {
    config.check()?;
    let mut corpus = Corpus::default();
    texts
        .into_iter()
        .for_each(|text| corpus.push(text.as_ref()));
    train(config, &corpus, vec![])
}

fn train(config: &TrainerConfig, corpus: &Corpus, files: Vec<PathBuf>) -> Result<Tokenizer> {
    if corpus.is_empty() {
        return Err(TextError::EmptyCorpus { files });
    }
    let json = match config.kind {
        TrainerKind::Char => character::train(config, corpus)?,
        kind => {
            let outline = open::parse(
                json::outline(config).to_string().as_bytes(),
                Path::new("outline"),
            )?;
            let words = corpus.words(&outline)?;
            if words.is_empty() {
                return Err(TextError::EmptyCorpus { files });
            }
            match kind {
                TrainerKind::Bpe => merges::train(config, &words)?,
                TrainerKind::WordPiece => word_pieces::train(config, &words)?,
                _ => unigram::train(config, &words)?,
            }
        }
    };
    let path = Path::new("trained tokenizer");
    let inner = open::parse(json.to_string().as_bytes(), path)?;
    Tokenizer::new(inner, Map::new(), None, path)
}
