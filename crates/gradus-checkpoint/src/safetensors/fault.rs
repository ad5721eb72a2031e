//! Every way in which a safetensors file can be bad: one variant each.

use std::io;

use gradus_tensor::{MAX_RANK, Shape};

use super::FileDType;
use super::header::{MAX_HEADER_BYTES, MAX_TENSORS};
use crate::error::{Brief, Quoted};

/// The rule of the format that a file breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatFault {
    /// The file has no room for the header's length.
    #[error("has {len} bytes, a safetensors file has at least 8")]
    TooShort {
        /// The file's length.
        len: u64,
    },
    /// The header is longer than the format allows.
    #[error(
        "the header has {header} bytes, the format allows {MAX_HEADER_BYTES}; is this a safetensors file?"
    )]
    HeaderTooLarge {
        /// The header's length.
        header: u64,
    },
    /// The header is longer than the file.
    #[error(
        "the header should have {header} bytes, but {available} follow; the file is truncated or not safetensors"
    )]
    HeaderTruncated {
        /// The header's length as stated.
        header: u64,
        /// The bytes that follow.
        available: u64,
    },
    /// The header is not UTF-8.
    #[error("the header is not UTF-8 at byte {at}")]
    HeaderUtf8 {
        /// The first bad byte, counted from the header's start.
        at: usize,
    },
    /// The header does not begin with `{`.
    #[error("the header does not begin with an opening brace; is this a safetensors file?")]
    HeaderStart,
    /// Something other than spaces follows the header's object.
    #[error("the header goes on after its closing brace; only spaces may stand there")]
    HeaderTrailing,
    /// The header is not JSON.
    #[error("the header is not valid JSON: {}", Brief(cause))]
    Json {
        /// What the JSON reader says.
        cause: serde_json::Error,
    },
    /// More tensors than [`MAX_TENSORS`].
    #[error("has more than {MAX_TENSORS} tensors")]
    TooManyTensors,
    /// A name stands twice in the header.
    #[error("tensor {} stands twice in the header", Quoted(tensor))]
    DuplicateName {
        /// The name.
        tensor: String,
    },
    /// A tensor has the name under which metadata are kept.
    #[error(
        "a tensor cannot be named \"__metadata__\": the format keeps metadata there; rename it"
    )]
    ReservedName,
    /// A field stands twice in a tensor's entry.
    #[error("tensor {}: {field} stands twice", Quoted(tensor))]
    DuplicateField {
        /// The tensor.
        tensor: String,
        /// The field.
        field: &'static str,
    },
    /// A tensor's entry lacks a field.
    #[error("tensor {}: {field} is missing", Quoted(tensor))]
    MissingField {
        /// The tensor.
        tensor: String,
        /// The field.
        field: &'static str,
    },
    /// A tensor's entry has a field that the format does not know.
    #[error(
        "tensor {}: unknown field {}; the format knows dtype, shape and data_offsets",
        Quoted(tensor),
        Quoted(field)
    )]
    UnknownField {
        /// The tensor.
        tensor: String,
        /// The field.
        field: String,
    },
    /// A tensor's entry is not an object.
    #[error("tensor {}: its entry is not an object", Quoted(tensor))]
    EntryType {
        /// The tensor.
        tensor: String,
    },
    /// A field has the wrong type, or a number in it is negative, fractional or too large.
    #[error("tensor {}: {field} is not {expected}", Quoted(tensor))]
    FieldType {
        /// The tensor.
        tensor: String,
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The format does not know the dtype.
    #[error("tensor {}: unknown dtype {}", Quoted(tensor), Quoted(dtype))]
    UnknownDType {
        /// The tensor.
        tensor: String,
        /// The dtype.
        dtype: String,
    },
    /// The dtype is valid but has no tensor here.
    #[error(
        "tensor {}: dtype {dtype} cannot be loaded; convert it, for instance to F32 or I64",
        Quoted(tensor)
    )]
    UnsupportedDType {
        /// The tensor.
        tensor: String,
        /// The dtype.
        dtype: FileDType,
    },
    /// More dims than a tensor can have here.
    #[error("tensor {}: has more than {MAX_RANK} dims", Quoted(tensor))]
    RankTooHigh {
        /// The tensor.
        tensor: String,
    },
    /// The number of elements or bytes does not fit.
    #[error("tensor {}: the size of shape {dims:?} overflows", Quoted(tensor))]
    ShapeOverflow {
        /// The tensor.
        tensor: String,
        /// The dims.
        dims: Vec<u64>,
    },
    /// Elements narrower than a byte do not fill whole bytes.
    #[error(
        "tensor {}: shape {shape} of {dtype} does not end at a whole byte",
        Quoted(tensor)
    )]
    PartialByte {
        /// The tensor.
        tensor: String,
        /// The dtype.
        dtype: FileDType,
        /// The shape.
        shape: Shape,
    },
    /// There are not two data offsets.
    #[error(
        "tensor {}: data_offsets must be two numbers, begin and end",
        Quoted(tensor)
    )]
    OffsetCount {
        /// The tensor.
        tensor: String,
    },
    /// The data end before they begin.
    #[error(
        "tensor {}: data_offsets end at {end}, before they begin at {begin}",
        Quoted(tensor)
    )]
    OffsetsReversed {
        /// The tensor.
        tensor: String,
        /// The first byte.
        begin: u64,
        /// The byte after the last.
        end: u64,
    },
    /// The data reach past the end of the file.
    #[error(
        "tensor {}: data_offsets end at {end}, but the file holds {len} bytes of data; is it truncated?",
        Quoted(tensor)
    )]
    OffsetsOutOfRange {
        /// The tensor.
        tensor: String,
        /// The byte after the last.
        end: u64,
        /// The bytes of data in the file.
        len: u64,
    },
    /// The data are not as long as shape and dtype say.
    #[error(
        "tensor {}: {dtype} of shape {shape} takes {expected} bytes, data_offsets span {got}",
        Quoted(tensor)
    )]
    SizeMismatch {
        /// The tensor.
        tensor: String,
        /// The dtype.
        dtype: FileDType,
        /// The shape.
        shape: Shape,
        /// The bytes by shape and dtype.
        expected: u64,
        /// The bytes by offsets.
        got: u64,
    },
    /// Bytes before a tensor belong to none.
    #[error(
        "tensor {}: begins at {begin}, but the bytes from {end_of_previous} on belong to no tensor",
        Quoted(tensor)
    )]
    Hole {
        /// The tensor.
        tensor: String,
        /// Its first byte.
        begin: u64,
        /// Where the tensor before it ends.
        end_of_previous: u64,
    },
    /// Two tensors share bytes.
    #[error("tensor {}: overlaps tensor {}", Quoted(tensor), Quoted(other))]
    Overlap {
        /// The later tensor.
        tensor: String,
        /// The earlier one.
        other: String,
    },
    /// Bytes at the end belong to no tensor.
    #[error("the last {} of {len} bytes of data belong to no tensor", len - covered)]
    TrailingData {
        /// The bytes that tensors cover.
        covered: u64,
        /// The bytes of data in the file.
        len: u64,
    },
    /// `__metadata__` is not an object.
    #[error("__metadata__ is not an object")]
    MetadataType,
    /// A metadata value is not a string.
    #[error("__metadata__: the value of {} is not a string", Quoted(key))]
    MetadataValue {
        /// The key.
        key: String,
    },
    /// A metadata key stands twice.
    #[error("__metadata__: {} stands twice", Quoted(key))]
    DuplicateMetadata {
        /// The key.
        key: String,
    },
    /// The integers, widened, take more memory than a file of its length may.
    #[error(
        "the tensors take {bytes} bytes when loaded, the file has {len}; no more than {limit} are accepted; save narrow integers as I64"
    )]
    Expansion {
        /// The bytes when loaded.
        bytes: u64,
        /// The file's length.
        len: u64,
        /// The most that are accepted.
        limit: u64,
    },
    /// A bool is neither 0 nor 1.
    #[error(
        "tensor {}: element {position} is {byte}, a bool is 0 or 1",
        Quoted(tensor)
    )]
    BoolByte {
        /// The tensor.
        tensor: String,
        /// The element's position, row-major.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// A tensor's bytes could not be read.
    #[error("tensor {}: cannot read its bytes: {cause}", Quoted(tensor))]
    Data {
        /// The tensor.
        tensor: String,
        /// The system's answer; `UnexpectedEof` if the file was cut while open.
        cause: io::Error,
    },
}
