//! What is wrong with a line of a text file.

use std::fmt;

/// What is wrong with a text, or with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextProblem {
    /// Its bytes are no UTF-8.
    NotUtf8,
    /// The text is empty, or of spaces only.
    Empty,
    /// The line has another number of columns than the first.
    Columns {
        /// Columns of the first line.
        expected: usize,
        /// Columns of this line.
        got: usize,
    },
    /// No column has this name.
    NoColumn {
        /// The column asked for.
        name: String,
        /// The columns there are.
        found: Vec<String>,
    },
    /// The line is no JSON object.
    Json(String),
    /// A key of the JSON object is missing, or its value is of another kind.
    Key {
        /// The key.
        key: String,
        /// What its value must be.
        expected: &'static str,
    },
    /// There is not one label for each token.
    LabelCount {
        /// The number of tokens.
        tokens: usize,
        /// The number of labels.
        labels: usize,
    },
    /// A label is none of the classes that were given.
    UnknownLabel {
        /// The label.
        label: String,
        /// The classes.
        known: Vec<String>,
    },
    /// Labels are numbers in some lines and names in others.
    MixedLabels {
        /// The label that is no number.
        label: String,
    },
    /// The format of the file itself is broken here.
    Format(String),
}

impl fmt::Display for TextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8; save the file as UTF-8 text"),
            Self::Empty => f.write_str("empty text; leave it out"),
            Self::Columns { expected, got } => write!(
                f,
                "{got} columns, but the first line has {expected}; put texts with the separator into quotes"
            ),
            Self::NoColumn { name, found } => {
                let name = shortened(name);
                write!(f, "no column {name}; the columns are {}", list(found))
            }
            Self::Json(message) => write!(f, "not a JSON object: {message}"),
            Self::Key { key, expected } => write!(f, "{} must be {expected}", shortened(key)),
            Self::LabelCount { tokens, labels } => {
                write!(
                    f,
                    "{tokens} tokens but {labels} labels; there must be one label a token"
                )
            }
            Self::UnknownLabel { label, known } => {
                let label = shortened(label);
                write!(f, "label {label} is none of {}", list(known))
            }
            Self::MixedLabels { label } => {
                let label = shortened(label);
                write!(f, "label {label} is no number, but other labels are")
            }
            Self::Format(message) => f.write_str(message),
        }
    }
}

/// A name as messages quote it.
fn shortened(name: &str) -> String {
    const CHARACTERS: usize = 60;
    match name.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// Names in a message.
const SHOWN: usize = 20;

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| shortened(n)).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut() {
        let (long, known) = ("\u{1c}u".repeat(10_000), vec!["B".to_owned()]);
        let (name, found) = (long.clone(), known.clone());
        let problems = [
            TextProblem::MixedLabels {
                label: long.clone(),
            },
            TextProblem::UnknownLabel {
                label: long.clone(),
                known,
            },
            TextProblem::NoColumn { name, found },
            TextProblem::Key {
                key: long,
                expected: "a text",
            },
        ];
        for problem in problems {
            let message = problem.to_string();
            assert!(message.len() < 500, "{message}");
        }
    }
}
