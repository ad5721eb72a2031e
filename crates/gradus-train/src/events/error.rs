//! What can be wrong with an event file: one variant a malformation.

use std::io;
use std::path::PathBuf;

/// An error of [`crate::events`]. Offsets are bytes from the start of the file, at the record that is bad.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The file system refused.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Reading failed in the middle.
    #[error("event file: read failed at byte {offset}: {source}")]
    Read {
        /// Start of the record.
        offset: u64,
        /// Why it failed.
        source: io::Error,
    },
    /// The file ends within the 12 bytes of a record's header.
    #[error("event file: record at byte {offset}: header is cut, {got} of 12 bytes are there")]
    CutHeader {
        /// Start of the record.
        offset: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// The checksum of the length does not fit.
    #[error(
        "event file: record at byte {offset}: checksum of the length is {got:#010x}, expected {expected:#010x}; is this an event file?"
    )]
    LengthChecksum {
        /// Start of the record.
        offset: u64,
        /// Masked CRC-32C of the length.
        expected: u32,
        /// What the file says.
        got: u32,
    },
    /// The record is longer than the reader allows.
    #[error("event file: record at byte {offset}: {length} bytes are over the limit of {limit}")]
    TooLong {
        /// Start of the record.
        offset: u64,
        /// Its length in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The file ends within a record's data or final checksum.
    #[error(
        "event file: record at byte {offset}: data is cut, {got} of {expected} bytes are there"
    )]
    CutData {
        /// Start of the record.
        offset: u64,
        /// Bytes of data and checksum that are there.
        got: u64,
        /// Bytes that should be there.
        expected: u64,
    },
    /// The checksum of the data does not fit.
    #[error(
        "event file: record at byte {offset}: checksum of the data is {got:#010x}, expected {expected:#010x}; the file is damaged"
    )]
    DataChecksum {
        /// Start of the record.
        offset: u64,
        /// Masked CRC-32C of the data.
        expected: u32,
        /// What the file says.
        got: u32,
    },
    /// A whole record is no `Event` message.
    #[error("event file: record at byte {offset}: not an event message: {source}")]
    Message {
        /// Start of the record.
        offset: u64,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// The first event does not name a known file version.
    #[error("event file: first event names version {got:?}, expected \"brain.Event:2\"")]
    Version {
        /// The version it names, if any.
        got: Option<String>,
    },
    /// A step is above 2^63 - 1, which event files cannot hold.
    #[error("event file: step {step} does not fit in 63 bits")]
    Step {
        /// The step.
        step: u64,
    },
    /// The dimensions of an image do not fit in the 31 bits of the format.
    #[error("event file: image {tag:?} is {width} x {height}; each side must be in 1..2^31")]
    ImageSize {
        /// The image's tag.
        tag: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl EventError {
    /// Whether the file merely ends too early: its writer was killed, or is still writing. What came before is whole.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::CutHeader { .. } | Self::CutData { .. })
    }
}

/// Result of this room.
pub(crate) type Result<T> = std::result::Result<T, EventError>;
