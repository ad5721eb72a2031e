//! Why a checkpoint is not whole.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::{Brief, Quoted};
use crate::manifest::{CHECKPOINT_VERSION, MAX_MANIFEST_BYTES};

/// A checkpoint that was passed over.
#[derive(Debug)]
pub struct Damaged {
    /// Its directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: DamageReason,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageReason {
    /// Its writing was interrupted before it was committed.
    #[error("was never finished: its writing was interrupted")]
    Interrupted,
    /// It is not a directory.
    #[error("is not a directory")]
    NotADirectory,
    /// The manifest is longer than any real one.
    #[error("its manifest has more than {MAX_MANIFEST_BYTES} bytes")]
    ManifestTooLarge,
    /// The manifest is not the JSON that it should be.
    #[error("its manifest cannot be read: {}", Brief(cause))]
    ManifestJson {
        /// What the JSON reader says.
        cause: serde_json::Error,
    },
    /// The manifest was changed after it was written.
    #[error("its manifest does not fit its own digest")]
    ManifestDigest,
    /// The layout is of another version.
    #[error(
        "its format version is {found}, this program reads {CHECKPOINT_VERSION}; use a newer gradus"
    )]
    Version {
        /// The version.
        found: u64,
    },
    /// The manifest is of another step than the directory's name says.
    #[error("its manifest is that of step {found}")]
    Step {
        /// The step in the manifest.
        found: u64,
    },
    /// A file's name in the manifest is not one plain path component, or repeats.
    #[error(
        "the name {} in its manifest is repeated or not a plain name",
        Quoted(name)
    )]
    FileName {
        /// The name.
        name: String,
    },
    /// A file is missing.
    #[error("{} is missing", Quoted(name))]
    Missing {
        /// The name.
        name: String,
    },
    /// What should be a file is something else, such as a symbolic link.
    #[error("{} is not a regular file", Quoted(name))]
    NotAFile {
        /// The name.
        name: String,
    },
    /// A file has another length.
    #[error("{} has {found} bytes, the manifest says {expected}", Quoted(name))]
    Length {
        /// The name.
        name: String,
        /// The length in the manifest.
        expected: u64,
        /// The file's length.
        found: u64,
    },
    /// A file has other bytes.
    #[error(
        "the bytes of {} do not fit their digest in the manifest",
        Quoted(name)
    )]
    Digest {
        /// The name.
        name: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}", Quoted(name))]
    Io {
        /// The name.
        name: String,
        /// The system's answer.
        cause: io::Error,
    },
}
