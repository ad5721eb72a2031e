//! Every way in which an array of NumPy can be bad: one variant each.

use gradus_tensor::{MAX_RANK, Shape};

use super::header::MAX_HEADER;
use crate::FileDType;
use crate::error::Quoted;

/// The rule of the `.npy` format that an array breaks, or why it cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NumpyFault {
    /// The array does not begin as one.
    #[error("does not begin like an array of NumPy (\\x93NUMPY)")]
    Magic,
    /// A version of the format that is not known.
    #[error("has version {major}.{minor} of the .npy format; 1.0, 2.0 and 3.0 are known")]
    Version {
        /// The first number.
        major: u8,
        /// The second number.
        minor: u8,
    },
    /// The header is longer than any array's.
    #[error("the header has {header} bytes, at most {MAX_HEADER} are read")]
    HeaderTooLarge {
        /// Its length.
        header: u64,
    },
    /// The bytes end within the header.
    #[error("ends within its header")]
    HeaderTruncated,
    /// The header is not the literal that it must be.
    #[error(
        "the header is not a dict of descr, fortran_order and shape: at byte {at} {expected} is expected"
    )]
    HeaderSyntax {
        /// The byte of the header.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The numbers are stored with the most significant byte first.
    #[error(
        "has big-endian numbers ({}); save it with `array.astype(array.dtype.newbyteorder('<'))`",
        Quoted(descr)
    )]
    BigEndian {
        /// NumPy's name of the element type.
        descr: String,
    },
    /// The elements are Python objects: a pickle, which could run code.
    #[error(
        "is an array of Python objects ({}), which only running code could read; save plain numbers",
        Quoted(descr)
    )]
    Objects {
        /// NumPy's name of the element type.
        descr: String,
    },
    /// The elements are records.
    #[error("is a structured array; save each field as an array of its own")]
    Structured,
    /// An element type that has no tensor.
    #[error(
        "has elements of type {}; floats, integers and bools can be loaded",
        Quoted(descr)
    )]
    DType {
        /// NumPy's name of the element type.
        descr: String,
    },
    /// More dims than a tensor can have here.
    #[error("has {rank} dims, a tensor has at most {MAX_RANK}")]
    RankTooHigh {
        /// The number of dims.
        rank: usize,
    },
    /// The number of elements or bytes does not fit.
    #[error("the size of shape {dims:?} overflows")]
    ShapeOverflow {
        /// The dims.
        dims: Vec<u64>,
    },
    /// The data are not as long as shape and element type say.
    #[error("{dtype} of shape {shape} takes {expected} bytes, there are {got}")]
    SizeMismatch {
        /// The element type.
        dtype: FileDType,
        /// The shape.
        shape: Shape,
        /// The bytes by shape and element type.
        expected: u64,
        /// The bytes that there are.
        got: u64,
    },
    /// Its integers, widened, take more memory than a file of its length may.
    #[error(
        "takes {bytes} bytes when loaded, the file has {len}; no more than {limit} are accepted; save narrow integers as int64"
    )]
    Expansion {
        /// The bytes when loaded.
        bytes: u64,
        /// The file's length.
        len: u64,
        /// The most that are accepted.
        limit: u64,
    },
    /// A name that cannot be written.
    #[error("two tensors are named {}", Quoted(tensor))]
    DuplicateName {
        /// The name.
        tensor: String,
    },
    /// NumPy has no such element type.
    #[error("NumPy has no bf16; convert tensor {} to f32 first", Quoted(tensor))]
    NoBf16 {
        /// The tensor.
        tensor: String,
    },
}
