//! How much memory a file may ask for, so that a small hostile file cannot exhaust the machine.

/// What every file may unpack to, whatever its length.
const FREE: u64 = 256 << 20;

/// How many times its own length a file may unpack to beyond that. Weights hardly compress; only files that hold almost
/// nothing but zeros come near.
const EXPANSION: u64 = 100;

/// The most bytes that the tensors of a file of this length may take together.
pub(crate) fn memory_limit(file_len: u64) -> u64 {
    file_len.saturating_mul(EXPANSION).saturating_add(FREE)
}
