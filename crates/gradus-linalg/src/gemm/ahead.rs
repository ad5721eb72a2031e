//! Operands that are asked for before they are copied.
//!
//! Memory gives one stream of neighbouring lines 27 GB/s on a Zen 4 core, and pieces of 64 to 256 bytes that lie apart 9 to 13, however far ahead they
//! are asked for. So a copy that turns rows into columns asks for its next block row by row, and in bf16 one that cuts rows into panels does so with
//! all panels at once. (A weight of 768 × 3072 that lies in memory is packed for bf16 at 20 GB/s instead of 10.)

use super::mat::Raw;
use crate::simd::{LINE, prefetch_far};

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
    /// Rows that are left.
    rows: usize,
}

impl<T> Ahead<T> {
    /// A block of `rows` rows of `len` contiguous elements. What lies behind it is not asked for: another thread may write it.
    #[inline(always)]
    pub(super) fn new(block: Raw<T>, [rows, len]: [usize; 2]) -> Self {
        Self {
            row: block.ptr,
            stride: block.rs,
            len,
            at: 0,
            rows,
        }
    }

    /// The next lines, of `count` elements together.
    #[inline(always)]
    pub(super) fn ask(&mut self, count: usize) {
        if self.rows == 0 {
            return;
        }
        let line = LINE / size_of::<T>();
        for _ in 0..count.div_ceil(line) {
            prefetch_far(self.row.wrapping_add(self.at));
            self.at += line;
            if self.at >= self.len {
                self.at = 0;
                self.row = self.row.wrapping_offset(self.stride);
                self.rows -= 1;
                if self.rows == 0 {
                    return;
                }
            }
        }
    }
}

/// How many rows before it is copied a row is asked for, where rows of `len` contiguous elements are copied one after the other.
pub(super) fn rows_ahead(len: usize) -> usize {
    DISTANCE.div_ceil(len)
}
