//! Text as data: files of texts with labels, files of tokens, and samples of token ids with a class for each text or a target for each token.
//!
//! Texts become tokens elsewhere: what is here takes words and ids.

mod buckets;
mod error;
mod labelled;
mod labels;
mod lines;
mod masked;
mod tagged;
mod token_file;
mod tokenized;
mod windows;

pub use buckets::LengthBuckets;
pub use error::TextProblem;
pub use labelled::{LabelledTexts, TextColumns};
pub use lines::TextLines;
pub use masked::{MaskConfig, MaskedTokens};
pub use tagged::{TaggedTexts, TaggedTextsConfig, align_labels};
pub use token_file::{
    MemoryTokens, TokenFile, TokenFileProblem, TokenFileWriter, TokenSlice, TokenSource,
    split_tokens,
};
pub use tokenized::{IGNORED, TokenizedTexts};
pub use windows::TokenWindows;
