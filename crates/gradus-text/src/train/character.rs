//! One token a character.

use serde_json::{Value, json};

use super::corpus::Corpus;
use super::{TrainerConfig, json};
use crate::error::Result;

/// The characters of a text in the order of their numbers. If there are more than fit, the most frequent stay.
pub(super) fn train(config: &TrainerConfig, corpus: &Corpus) -> Result<Value> {
    let room = config.room(1)?;
    let least = config.min_frequency.unwrap_or(1);
    let mut counted: Vec<(char, u64)> = corpus.characters().into_iter().collect();
    counted.retain(|&(_, count)| count >= least);
    counted.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    counted.truncate(room);
    let mut characters: Vec<char> = counted.into_iter().map(|(c, _)| c).collect();
    characters.sort_unstable();
    let mut tokens = config.special();
    let fresh = characters.into_iter().map(String::from);
    let fresh: Vec<String> = fresh.filter(|token| !tokens.contains(token)).collect();
    tokens.extend(fresh);
    // Without a token for them, unknown characters are an error: this one is in no vocabulary of single characters.
    let unk = config.unk().unwrap_or_else(|| "<unk>".to_owned());
    let model = json!({ "type": "WordLevel", "vocab": json::vocab(&tokens), "unk_token": unk });
    Ok(json::frame(config, model))
}
