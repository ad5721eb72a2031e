//! The text that a tokenizer is trained on, and how often each of its words occurs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread;

use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use crate::error::{LineProblem, Result, TextError};

/// Lines with their ends.
#[derive(Default)]
pub(super) struct Corpus {
    lines: Vec<String>,
}

/// Words in the order of their bytes, with how often each occurs.
pub(super) type Words = Vec<(String, u64)>;

impl Corpus {
    /// Adds a text.
    pub(super) fn push(&mut self, text: &str) {
        let lines = text.split_inclusive('\n').map(str::to_owned);
        self.lines.extend(lines);
    }

    /// Adds a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<()> {
        let fail = |source| TextError::io("read", path, source);
        let mut reader = BufReader::new(File::open(path).map_err(fail)?);
        for number in 1.. {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).map_err(fail)? == 0 {
                break;
            }
            let line = String::from_utf8(line)
                .map_err(|_| TextError::line(path, number, LineProblem::NotUtf8))?;
            self.lines.push(line);
        }
        Ok(())
    }

    /// Whether there is nothing but space.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.trim().is_empty())
    }

    /// How often each character occurs.
    pub(super) fn characters(&self) -> BTreeMap<char, u64> {
        let mut counts = BTreeMap::new();
        for c in self.lines.iter().flat_map(|line| line.chars()) {
            *counts.entry(c).or_insert(0) += 1;
        }
        counts
    }

    /// How often each word occurs, as this tokenizer normalises and divides text. Sums of whole numbers: threads cannot change them.
    pub(super) fn words(&self, tokenizer: &tokenizers::Tokenizer) -> Result<Words> {
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(16);
        let share = self.lines.len().div_ceil(threads).max(1);
        let counted = thread::scope(|scope| {
            let count = |lines| scope.spawn(move || count_words(lines, tokenizer));
            let running: Vec<_> = self.lines.chunks(share).map(count).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended.collect::<Vec<_>>()
        });
        let mut counts = BTreeMap::new();
        for part in counted {
            let part = part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            for (word, count) in part {
                *counts.entry(word).or_insert(0) += count;
            }
        }
        Ok(counts.into_iter().collect())
    }
}

fn count_words(
    lines: &[String],
    tokenizer: &tokenizers::Tokenizer,
) -> Result<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    for line in lines {
        let failed = |source| TextError::Encode {
            bytes: line.len(),
            source,
        };
        let mut text = NormalizedString::from(line.as_str());
        if let Some(normalizer) = tokenizer.get_normalizer() {
            normalizer.normalize(&mut text).map_err(failed)?;
        }
        let mut words = PreTokenizedString::from(text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut words).map_err(failed)?;
        }
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(word.to_owned(), 1);
                }
            }
        }
    }
    Ok(counts)
}
