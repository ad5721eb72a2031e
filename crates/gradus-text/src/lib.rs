//! Text for models: tokenizers from Hugging Face folders, training of new ones, and chat templates.
//!
//! [`Tokenizer::open`] reads a folder as it is (`tokenizer.json`; else `vocab.txt`; else `vocab.json` with `merges.txt`) and gives the ids that
//! `transformers` gives. [`TokenStream`] turns generated tokens into text as they come. [`train_tokenizer`]
//! makes a new one from text alone, the same bytes on every run.
//!
//! The crate knows no tensor and no model. It reads untrusted files: sizes are bounded, and every error names the file.
#![forbid(unsafe_code)]

mod chat;
mod encoding;
mod error;
mod files;
mod longest_text;
mod open;
mod role;
mod stream;
mod tokenizer;
mod train;

pub use chat::Message;
pub use encoding::{EncodeConfig, Encoding, Side};
pub use error::{LineProblem, Result, TextError};
pub use role::Role;
pub use stream::TokenStream;
pub use tokenizer::Tokenizer;
pub use train::{TrainerConfig, TrainerKind, train_tokenizer, train_tokenizer_on};
