//! Text as data: samples of token ids, with a class for each text or a target for each token.

mod tokenized;

pub use tokenized::{IGNORED, TokenizedTexts};
