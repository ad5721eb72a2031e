//! What can be wrong with a tensor's elements, in the formats other than safetensors.

use std::io::{self, Read};

use gradus_tensor::{Shape, Tensor};

use crate::FileDType;
use crate::safetensors::{DecodeError, decode};

/// Why a tensor's elements cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElementFault {
    /// The dtype is valid but has no tensor here.
    #[error("dtype {dtype} cannot be loaded; convert it, for instance to F32 or I64")]
    UnsupportedDType {
        /// The dtype.
        dtype: FileDType,
    },
    /// A bool is neither 0 nor 1.
    #[error("element {position} is {byte}, a bool is 0 or 1")]
    BoolByte {
        /// The element's position in the file's order.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// The bytes cannot be read, or do not fit their checksum.
    #[error("cannot read its bytes: {cause}")]
    Read {
        /// The system's or the zip reader's answer; `UnexpectedEof` if there are too few.
        cause: io::Error,
    },
    /// The tensor cannot be made, for instance because memory ran out.
    #[error("{cause}")]
    Tensor {
        /// The tensor error.
        cause: gradus_tensor::Error,
    },
}

/// Reads a tensor whose bytes come next. With `to_end` they must be the last ones: what reads to the end also has its
/// checksum compared.
pub(crate) fn read_elements(
    dtype: FileDType,
    shape: &Shape,
    from: &mut dyn Read,
    to_end: bool,
) -> Result<Tensor, ElementFault> {
    let tensor = decode(dtype, shape, from).map_err(|error| match error {
        DecodeError::Io(cause) => ElementFault::Read { cause },
        DecodeError::Bool { position, byte } => ElementFault::BoolByte { position, byte },
        DecodeError::Tensor(cause) => ElementFault::Tensor { cause },
        DecodeError::Unsupported => ElementFault::UnsupportedDType { dtype },
    })?;
    if to_end {
        match from.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => {
                let cause = io::Error::new(io::ErrorKind::InvalidData, "more bytes than announced");
                return Err(ElementFault::Read { cause });
            }
            Err(cause) => return Err(ElementFault::Read { cause }),
        }
    }
    Ok(tensor)
}
