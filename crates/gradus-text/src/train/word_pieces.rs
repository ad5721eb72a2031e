//! Word pieces: parts of words by their frequency, `##` before all but the first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::corpus::Words;
use super::merges::{Merger, Vocabulary};
use super::{TrainerConfig, json};
use crate::error::Result;

const PREFIX: &str = "##";

/// The letters of a word: the first as it is, the others with the prefix.
fn letters(word: &str) -> impl Iterator<Item = String> {
    let of = |(number, c): (usize, char)| match number {
        0 => c.to_string(),
        _ => format!("{PREFIX}{c}"),
    };
    word.chars().enumerate().map(of)
}

/// Letters that do not fit are left out, the rarest first, and so are the words that have them: they will be unknown.
pub(super) fn train(config: &TrainerConfig, words: &Words) -> Result<Value> {
    let room = config.room(1)?;
    let mut counts = BTreeMap::<String, u64>::new();
    for (word, count) in words {
        for letter in letters(word) {
            *counts.entry(letter).or_insert(0) += count;
        }
    }
    let mut alphabet: Vec<(String, u64)> = counts.into_iter().collect();
    alphabet.sort_by(|a, b| Reverse(a.1).cmp(&Reverse(b.1)).then_with(|| a.0.cmp(&b.0)));
    alphabet.truncate(room);
    // Letters that begin words come before those within, each in the order of their numbers.
    let inside = |letter: &str| letter.len() > PREFIX.len() && letter.starts_with(PREFIX);
    let alphabet: BTreeSet<(bool, String)> = alphabet
        .into_iter()
        .map(|(letter, _)| (inside(&letter), letter))
        .collect();
    let mut tokens = config.special();
    let fresh = alphabet.into_iter().map(|(_, letter)| letter);
    let fresh: Vec<String> = fresh.filter(|token| !tokens.contains(token)).collect();
    tokens.extend(fresh);
    let mut vocabulary = Vocabulary::new(tokens);
    let symbols = |word: &String| {
        let ids = letters(word).map(|letter| vocabulary.id(&letter));
        ids.collect::<Option<Vec<u32>>>()
    };
    let words = words
        .iter()
        .filter_map(|(word, count)| Some((symbols(word)?, *count)));
    let mut merger = Merger::new(words.collect());
    while vocabulary.tokens.len() < config.vocab_size {
        let Some(pair) = merger.best(config.min_frequency.unwrap_or(2)) else {
            break;
        };
        let (left, right) = (vocabulary.text(pair.0), vocabulary.text(pair.1));
        let whole = format!("{left}{}", right.strip_prefix(PREFIX).unwrap_or(right));
        let token = vocabulary.add(whole);
        merger.merge(pair, token);
    }
    let model = json!({
        "type": "WordPiece", "unk_token": config.unk(), "continuing_subword_prefix": PREFIX, "max_input_chars_per_word": 100,
        "vocab": json::vocab(&vocabulary.tokens),
    });
    Ok(json::frame(config, model))
}
