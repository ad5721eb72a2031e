//! What can go wrong with text: structured errors that name the file, the line, the token or the argument.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of an operation on text.
pub type Result<T, E = TextError> = std::result::Result<T, E>;

/// The cause that a library gave.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, and where. Every message that concerns a file carries its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing at the path is a tokenizer.
    #[error(
        "{}: no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json with merges.txt",
        path.display()
    )]
    NoTokenizer {
        /// The folder or file.
        path: PathBuf,
    },
    /// The system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is larger than any tokenizer's.
    #[error("{}: {bytes} bytes, more than the {limit} that a tokenizer's file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A file that must be JSON is not, or has a value of the wrong kind.
    #[error("{}: not the JSON that is expected: {}", path.display(), Brief(source))]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column.
        source: serde_json::Error,
    },
    /// A file is JSON, but no usable tokenizer.
    #[error("{}: not a usable tokenizer: {}", path.display(), Brief(source))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the tokenizers library said.
        source: Cause,
    },
    /// A line of a text file cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// A tokenizer's files name a token that its vocabulary lacks.
    #[error("{}: the vocabulary has no token {}, which {role} needs", path.display(), Brief(&format!("{token:?}")))]
    MissingToken {
        /// The file with the vocabulary.
        path: PathBuf,
        /// The token.
        token: String,
        /// What it is needed for.
        role: &'static str,
    },
    /// A text could not be turned into tokens.
    #[error("cannot tokenize text of {bytes} bytes: {source}")]
    Encode {
        /// The length of the text.
        bytes: usize,
        /// What the tokenizers library said.
        source: Cause,
    },
    /// Tokens could not be turned into text.
    #[error("cannot make text of {ids} tokens: {source}")]
    Decode {
        /// How many tokens there were.
        ids: usize,
        /// What the tokenizers library said.
        source: Cause,
    },
    /// The tokenizer's folder has no chat template.
    #[error(
        "the tokenizer has no chat template: its folder needs chat_template.jinja, or chat_template in tokenizer_config.json"
    )]
    NoChatTemplate,
    /// A chat template is wrong, or refuses the messages.
    #[error("chat template: {source}")]
    ChatTemplate {
        /// What the template engine said; what the template itself raised stands in it.
        source: minijinja::Error,
    },
    /// An option outside its domain.
    #[error("{what}: {argument} must be {expected}, not {got}")]
    Argument {
        /// The function.
        what: &'static str,
        /// The option.
        argument: &'static str,
        /// What it must be.
        expected: String,
        /// What it was.
        got: String,
    },
    /// The files to train a tokenizer on hold no text.
    #[error("nothing to train a tokenizer on: {}", without_text(files))]
    EmptyCorpus {
        /// The files; none for texts in memory.
        files: Vec<PathBuf>,
    },
}

impl TextError {
    /// An error of the system, with what was tried and on which path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    /// An error about a line.
    pub(crate) fn line(path: impl Into<PathBuf>, line: usize, problem: LineProblem) -> Self {
        Self::Line {
            path: path.into(),
            line,
            problem,
        }
    }
}

/// What a reader says, cut to a length that fits a message: it may quote all of a file. The end tells the line and column.
struct Brief<'a, T>(&'a T);

impl<T: fmt::Display> fmt::Display for Brief<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const START: usize = 240;
        const END: usize = 80;
        let said = self.0.to_string();
        let start = said.char_indices().nth(START);
        let end = said.char_indices().rev().nth(END);
        match (start, end) {
            (Some((start, _)), Some((end, _))) if start < end => {
                write!(f, "{} … {}", &said[..start], &said[end..])
            }
            _ => f.write_str(&said),
        }
    }
}

fn without_text(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    match names.len() {
        0 => "the texts are empty".into(),
        1 => format!("{} has no text", names[0]),
        _ => format!("{} have no text", names.join(", ")),
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineProblem {
    /// Its bytes are no UTF-8.
    NotUtf8,
    /// It must be two tokens with a space between them.
    NotAMerge,
    /// A merge makes or takes a token that the vocabulary lacks.
    UnknownToken(String),
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8; save the file as UTF-8 text"),
            Self::NotAMerge => f.write_str("expected two tokens with a space between them"),
            Self::UnknownToken(token) => write!(
                f,
                "the vocabulary has no token {}; vocab.json and merges.txt must belong together",
                Brief(&format!("{token:?}"))
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_quotations_are_cut_in_their_middle() {
        let text = format!("\"{}\"", "\u{feff}".repeat(30_000));
        let source = serde_json::from_str::<u8>(&text).unwrap_err();
        let path = PathBuf::from("vocab.json");
        let message = TextError::Json { path, source }.to_string();
        assert!(message.len() < 1000, "{message}");
        assert!(message.ends_with("at line 1 column 90002"), "{message}");
        let problem = LineProblem::UnknownToken("`\u{3}".repeat(30_000)).to_string();
        assert!(problem.len() < 1000, "{problem}");
        assert!(problem.ends_with("must belong together"), "{problem}");
    }
}
