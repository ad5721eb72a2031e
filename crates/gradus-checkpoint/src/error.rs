//! What can go wrong with checkpoints: one structured error, with the path in every message.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{
    ArchiveFault, DamageReason, ElementFault, FolderFault, FormatFault, KeyReport, NumpyFault,
    TorchFault,
};

/// The result of working with checkpoint files.
pub type Result<T, E = CheckpointError> = std::result::Result<T, E>;

/// What went wrong, with which file, and with which tensor in it.
///
/// The message is complete: causes are shown in it and are not chained as sources a second time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refused a call.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, such as `read` or `rename`.
        action: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
    /// A safetensors file breaks a rule of its format, or would.
    #[error("{}: {fault}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The rule.
        fault: FormatFault,
    },
    /// The file is of no known format.
    #[error(
        "{}: is no file of weights; safetensors, .npz, .npy and PyTorch's .pt, .pth and .bin are known",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A zip archive, as `.npz` and PyTorch's files are, is damaged or made to exhaust memory.
    #[error("{}: {fault}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: ArchiveFault,
    },
    /// An array of NumPy breaks a rule of its format, or tensors cannot be written as one.
    #[error("{}: {}{fault}", path.display(), Within(array.as_deref()))]
    Numpy {
        /// The file.
        path: PathBuf,
        /// The array in an `.npz` archive.
        array: Option<String>,
        /// What is wrong with it.
        fault: NumpyFault,
    },
    /// A file of PyTorch is damaged, or asks for more than tensors.
    #[error("{}: {fault}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: TorchFault,
    },
    /// The elements of a tensor cannot be taken.
    #[error("{}: tensor {}: {fault}", path.display(), Quoted(tensor))]
    Elements {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Why not.
        fault: ElementFault,
    },
    /// A folder has no weights, or its index and its shards disagree.
    #[error("{}: {fault}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: FolderFault,
    },
    /// A tensor could not be made, for instance because memory ran out.
    #[error("{}: tensor {}: {cause}", path.display(), Quoted(tensor))]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The tensor error.
        cause: gradus_tensor::Error,
    },
    /// A tensor was asked for that the file does not have.
    #[error("{}: has no tensor {}{}", path.display(), Quoted(tensor), Nearest(nearest.as_deref()))]
    NoSuchTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
        /// The nearest name that the file has.
        nearest: Option<String>,
    },
    /// The names or shapes in a file are not those of the model.
    #[error("{}: {report}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// All differences.
        report: Box<KeyReport>,
    },
    /// A checkpoint is not whole.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The checkpoint's directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: DamageReason,
    },
    /// There is no checkpoint of that step.
    #[error("{}: has no checkpoint of step {step}; it has {}", path.display(), Steps(available))]
    NoSuchStep {
        /// The directory of checkpoints.
        path: PathBuf,
        /// The step.
        step: u64,
        /// The steps that there are, newest first.
        available: Vec<u64>,
    },
    /// A file of a checkpoint was asked for that it does not have.
    #[error("{}: has no file {}", path.display(), Quoted(name))]
    NoSuchFile {
        /// The checkpoint's directory.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file of a checkpoint has a name that it cannot have.
    #[error("{}: {} cannot name a file of a checkpoint: {rule}", path.display(), Quoted(name))]
    FileName {
        /// The directory of checkpoints.
        path: PathBuf,
        /// The name.
        name: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A JSON file cannot be read or written.
    #[error("{}: {}", path.display(), Brief(cause))]
    Json {
        /// The file.
        path: PathBuf,
        /// What the JSON reader says.
        cause: serde_json::Error,
    },
    /// Another process works in the run directory.
    #[error("{}: is in use by {}; wait for it or choose another directory", path.display(), Owner(*pid))]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// The process that holds it, as it wrote itself.
        pid: Option<u32>,
    },
}

impl CheckpointError {
    /// An [`CheckpointError::Io`] of this path, for `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            path: path.to_path_buf(),
            action,
            cause,
        }
    }

    /// A [`CheckpointError::Archive`] of this path, for `map_err`.
    pub(crate) fn archive(path: &Path) -> impl FnOnce(ArchiveFault) -> Self {
        move |fault| Self::Archive {
            path: path.to_path_buf(),
            fault,
        }
    }

    /// A [`CheckpointError::Torch`] of this path, for `map_err`.
    pub(crate) fn torch(path: &Path) -> impl FnOnce(TorchFault) -> Self {
        move |fault| Self::Torch {
            path: path.to_path_buf(),
            fault,
        }
    }

    /// A [`CheckpointError::Elements`] of this path and tensor, for `map_err`.
    pub(crate) fn elements(path: &Path, tensor: &str) -> impl FnOnce(ElementFault) -> Self {
        move |fault| Self::Elements {
            path: path.to_path_buf(),
            tensor: tensor.to_owned(),
            fault,
        }
    }

    /// A [`CheckpointError::Folder`] of this path, for `map_err`.
    pub(crate) fn folder(path: &Path) -> impl FnOnce(FolderFault) -> Self {
        move |fault| Self::Folder {
            path: path.to_path_buf(),
            fault,
        }
    }

    /// An [`CheckpointError::Format`] of this path, for `map_err`.
    pub(crate) fn format(path: &Path) -> impl FnOnce(FormatFault) -> Self {
        move |fault| Self::Format {
            path: path.to_path_buf(),
            fault,
        }
    }
}

/// A name from a file, quoted, escaped and cut to a length that fits a message.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 120;
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}… ({} bytes)", &self.0[..cut], self.0.len()),
        }
    }
}

/// What a reader says, cut to a length that fits a message: it may quote all of a file. The end tells the line and column.
pub(crate) struct Brief<'a, T>(pub(crate) &'a T);

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

/// `; did you mean "x"?`, or nothing.
pub(crate) struct Nearest<'a>(pub(crate) Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(name) => write!(f, "; did you mean {}?", Quoted(name)),
        }
    }
}

/// `array "x": `, or nothing.
struct Within<'a>(Option<&'a str>);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(name) => write!(f, "array {}: ", Quoted(name)),
        }
    }
}

/// The first steps of a list, or `none`.
struct Steps<'a>(&'a [u64]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, step) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{step}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.0.len() > SHOWN { ", …" } else { "" })
    }
}

/// `process 17`, or `another process`.
struct Owner(Option<u32>);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_files_are_escaped_and_cut() {
        assert_eq!(Quoted("a\n\u{1b}[0m").to_string(), r#""a\n\u{1b}[0m""#);
        let long = Quoted(&"ä".repeat(1000)).to_string();
        assert!(
            long.len() < 300 && long.ends_with("… (2000 bytes)"),
            "{long}"
        );
    }

    #[test]
    fn long_quotations_are_cut_in_their_middle() {
        let said = serde_json::from_str::<u8>(&format!("\"{}\"", "\u{feff}".repeat(30_000)));
        let brief = Brief(&said.unwrap_err()).to_string();
        assert!(brief.len() < 1000, "{brief}");
        assert!(brief.starts_with("invalid type: string"), "{brief}");
        assert!(brief.ends_with("at line 1 column 90002"), "{brief}");
        assert_eq!(Brief(&"short").to_string(), "short");
    }

    #[test]
    fn messages_name_the_path() {
        let error = CheckpointError::io(Path::new("run/x"), "read")(io::ErrorKind::NotFound.into());
        assert_eq!(error.to_string(), "run/x: cannot read: entity not found");
    }
}
