//! What can go wrong with data: structured errors that name the file, the class, the sample or the argument.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::formats::IdxError;
use crate::image::ImageError;
use crate::text::{TextProblem, TokenFileProblem};
use crate::transform::TransformError;

/// The result of a data operation.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// What went wrong, and where. Every message that concerns a file carries its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The layout or content of a folder is not that of a data set.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: FolderProblem,
    },
    /// Two splits have different classes, so that labels would not mean the same.
    #[error("the classes of {} and {} differ{}{}", first.display(), second.display(), only_in(first, only_in_first), only_in(second, only_in_second))]
    ClassesDiffer {
        /// The folder of the first split.
        first: PathBuf,
        /// The folder of the other split.
        second: PathBuf,
        /// Classes that only the first has.
        only_in_first: Vec<String>,
        /// Classes that only the other has.
        only_in_second: Vec<String>,
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
    /// A file is not a usable image.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A file is not a usable IDX file.
    #[error("{}: {source}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdxError,
    },
    /// A line of a text file cannot be used.
    #[error("{}{}: {problem}", path.display(), of_line(*line))]
    Text {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 if the file is meant as a whole.
        line: usize,
        /// What is wrong with it.
        problem: TextProblem,
    },
    /// A file of tokens cannot be used, or a token does not belong into it.
    #[error("{}: {problem}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: TokenFileProblem,
    },
    /// No data set has this name.
    #[error("no data set is called {name:?}{}", did_you_mean(nearest))]
    UnknownDataSet {
        /// The name asked for.
        name: String,
        /// The known name that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A transform was given wrongly, or cannot be applied to an image.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// A sample of a data set cannot be made.
    #[error("sample {sample}: {source}")]
    Sample {
        /// The sample's name, such as `train/bag/00017.png`.
        sample: String,
        /// What went wrong with it.
        source: Box<DataError>,
    },
    /// Samples of one batch have different shapes.
    #[error(
        "samples of one batch differ in shape: {first} is {first_shape}, {second} is {second_shape}: give them one shape, as a Resize or a crop does with images, or pad them as Collate::Pad does"
    )]
    ShapesDiffer {
        /// The name of the first sample.
        first: String,
        /// The shape of the first sample.
        first_shape: String,
        /// The name of the sample that does not fit.
        second: String,
        /// The shape of the sample that does not fit.
        second_shape: String,
    },
    /// An option of a loader, sampler or split is outside its domain.
    #[error("{what}: {argument} must be {expected}, not {got}")]
    Argument {
        /// The loader, sampler or function.
        what: &'static str,
        /// The option.
        argument: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it was.
        got: String,
    },
    /// An index outside its sequence.
    #[error("{what}: index {index} is outside 0..{len}")]
    Index {
        /// The data set or sampler.
        what: &'static str,
        /// The index.
        index: usize,
        /// The length it must stay below.
        len: usize,
    },
    /// The code of a data set or transform panicked while it made a batch.
    #[error("batch {batch}: a data set or transform panicked: {message}")]
    Panicked {
        /// The number of the batch in its epoch.
        batch: usize,
        /// The panic's message.
        message: String,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(Box<gradus_tensor::Error>),
}

impl From<gradus_tensor::Error> for DataError {
    fn from(error: gradus_tensor::Error) -> Self {
        Self::Tensor(Box::new(error))
    }
}

impl DataError {
    /// An error of the system, with what was tried and on which path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    /// An error about the layout of a folder.
    pub(crate) fn folder(path: impl Into<PathBuf>, problem: FolderProblem) -> Self {
        Self::Folder {
            path: path.into(),
            problem,
        }
    }

    /// An error about a line of a text file.
    pub(crate) fn text(path: impl Into<PathBuf>, line: usize, problem: TextProblem) -> Self {
        Self::Text {
            path: path.into(),
            line,
            problem,
        }
    }

    /// The same error with the name of the sample that it concerns.
    pub(crate) fn in_sample(self, sample: impl Into<String>) -> Self {
        match self {
            // A path or a sample name is already there.
            Self::Image { .. }
            | Self::Idx { .. }
            | Self::Io { .. }
            | Self::TokenFile { .. }
            | Self::Sample { .. } => self,
            other => Self::Sample {
                sample: sample.into(),
                source: Box::new(other),
            },
        }
    }
}

/// What is wrong with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderProblem {
    /// Nothing is at the path.
    Missing,
    /// A file is at the path.
    NotAFolder,
    /// The folder holds no class folder.
    Empty,
    /// A class folder holds no image.
    ClassWithoutImages,
    /// A class folder holds no text.
    ClassWithoutTexts,
    /// The folder holds no folder of texts.
    NoTexts,
    /// The name of a class cannot be written as text.
    NameNotUtf8,
    /// The folder to write holds something already.
    NotEmpty,
    /// A write into this temporary folder was interrupted, or is under way.
    UnfinishedWrite,
}

impl fmt::Display for FolderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no such folder",
            Self::NotAFolder => "not a folder; a data set is a folder of train/<class>/* and test/<class>/*, or of <class>/*",
            Self::Empty => "empty folder; expected train/<class>/* and test/<class>/*, or <class>/*",
            Self::ClassWithoutImages => "class without images; add images or remove the folder",
            Self::ClassWithoutTexts => "class without texts; add .txt files or remove the folder",
            Self::NoTexts => "no texts; expected <class>/*.txt",
            Self::NameNotUtf8 => "the name of a class must be UTF-8 text; rename the folder",
            Self::NotEmpty => "folder is not empty; name a new or empty one",
            Self::UnfinishedWrite => "an earlier write was interrupted or is still under way; remove this folder and try again",
        })
    }
}

fn of_line(line: usize) -> String {
    match line {
        0 => String::new(),
        line => format!(", line {line}"),
    }
}

fn only_in(path: &std::path::Path, names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; only in {}: {}", path.display(), names.join(", "))
    }
}

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_classes_are_listed() {
        let error = DataError::ClassesDiffer {
            first: "d/train".into(),
            second: "d/test".into(),
            only_in_first: vec!["cat".into(), "dog".into()],
            only_in_second: vec!["frog".into()],
        };
        assert_eq!(
            error.to_string(),
            "the classes of d/train and d/test differ; only in d/train: cat, dog; only in d/test: frog"
        );
    }

    #[test]
    fn a_path_is_not_wrapped_in_a_sample_name() {
        let error = DataError::Image {
            path: "a/b.png".into(),
            source: ImageError::Empty,
        };
        assert_eq!(
            error.in_sample("x").to_string(),
            "a/b.png: the file is empty"
        );
        let error = DataError::Index {
            what: "memory",
            index: 3,
            len: 2,
        };
        assert_eq!(
            error.in_sample("x").to_string(),
            "sample x: memory: index 3 is outside 0..2"
        );
    }
}
