//! Integration tests: what transformers makes of the same texts and templates, streams, saving, training, and files that cannot be used.

mod chat;
mod golden;
mod hostile;
mod long;
mod save;
mod stream;
mod train;

use std::path::PathBuf;

use gradus_text::Tokenizer;
use serde_json::Value;

/// A file or folder of golden values.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// A golden file's JSON.
fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// The tokenizer of a golden folder.
fn open(name: &str) -> Tokenizer {
    Tokenizer::open(golden(name)).unwrap()
}

/// The golden tokenizers.
const FOLDERS: [&str; 6] = ["bert", "bert_cased", "gpt2", "roberta", "llama", "unigram"];
