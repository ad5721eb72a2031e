//! How much memory a file may ask for, so that a small hostile file cannot exhaust the machine.

use gradus_tensor::{DType, Shape};

use crate::FileDType;

/// What every file may take beyond twice its length. With what reading needs besides it stays below 64 MiB.
const FREE: u64 = 40 << 20;

/// The most bytes that the tensors of a file of this length may take together: twice its length, since a tensor may be held twice while it
/// is transposed or widened, and a little for small files that are packed well. Weights hardly compress; what goes beyond is made of zeros.
pub(crate) fn memory_limit(file_len: u64) -> u64 {
    file_len.saturating_mul(2).saturating_add(FREE)
}

/// The bytes of a tensor of this shape once it is loaded: narrower integers are widened.
pub(crate) fn loaded_bytes(dtype: FileDType, shape: &Shape) -> u64 {
    let size = dtype.loads_as().map_or(8, DType::size);
    u64::try_from(shape.numel().saturating_mul(size)).unwrap_or(u64::MAX)
}
