//! Operands that are asked for before they are copied.
//!
//! Memory gives one stream of neighbouring lines 27 GB/s on a Zen 4 core, and pieces of 64 to 256 bytes that lie apart 9 to 13, however far ahead they
//! are asked for. So a copy that turns rows into columns asks for its next block row by row, and one that cuts rows into panels does so with
//! all panels at once. (A weight of 768 × 3072 that lies in memory is packed for bf16 at 20 GB/s instead of 10.)

use super::mat::Raw;
use crate::simd::prefetch_far;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Elements between those that are copied and those that are asked for, where rows are copied as they lie (measured on Zen 4, a product of 6 rows with
/// 3072 × 768: 8192 16 GB/s, 4096 15, 3072 14).
const DISTANCE: usize = 8192;

/// Asks for the lines of a block of an operand one row after the other, a few at a time.
#[derive(Debug)]
pub(super) struct Ahead<T> {
    row: *const T,
    /// From a row to the next.
    stride: isize,
    /// Elements of a row, and how many of this one were asked for.
    len: usize,
    at: usize,
}

impl<T> Ahead<T> {
    /// From the first element of `block` on, whose rows are `len` contiguous elements. The block may end anywhere: nothing is read.
    #[inline(always)]
    pub(super) fn new(block: Raw<T>, len: usize) -> Self {
        Self {
            row: block.ptr,
            stride: block.rs,
            len,
            at: 0,
        }
    }

    /// The next lines, of `count` elements together.
    #[inline(always)]
    pub(super) fn ask(&mut self, count: usize) {
        let line = LINE / size_of::<T>();
        for _ in 0..count.div_ceil(line) {
            prefetch_far(self.row.wrapping_add(self.at));
            self.at += line;
            if self.at >= self.len {
                self.at = 0;
                self.row = self.row.wrapping_offset(self.stride);
            }
        }
    }
}

/// Asks for `count` elements of a row that come [`DISTANCE`] after those at `place`, where rows of `len` contiguous elements are copied one after the
/// other.
#[inline(always)]
pub(super) fn ask_for_row<T>(place: Raw<T>, count: usize, len: usize) {
    let row = place.at(DISTANCE.div_ceil(len), 0).ptr;
    for line in (0..count * size_of::<T>()).step_by(LINE) {
        prefetch_far(row.wrapping_byte_add(line));
    }
}
