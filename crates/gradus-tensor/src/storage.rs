//! Storage: a pooled block of memory that holds elements of one dtype. The only unsafe code of this crate.
#![allow(
    unsafe_code,
    reason = "reinterprets pooled bytes as elements; each block says why that is sound"
)]

mod arena;
pub mod pool;

use crate::{DType, Element, Error, Result};
use pool::Block;

/// A block of memory with elements of one dtype, always initialised.
pub(crate) struct Storage {
    block: Block,
    dtype: DType,
    len: usize,
}

impl Storage {
    /// Room for `len` elements whose values are unspecified but initialised.
    pub(crate) fn unspecified(dtype: DType, len: usize) -> Result<Self> {
        let bytes = len
            .checked_mul(dtype.size())
            .filter(|&bytes| bytes <= isize::MAX as usize);
        let bytes = bytes.ok_or(Error::Overflow {
            op: "storage",
            what: "number of bytes",
        })?;
        let mut block = pool::take(bytes)?;
        if dtype == DType::Bool {
            // A reused block may hold any bytes, but a bool only 0 or 1.
            block.bytes_mut()[..bytes].fill(0);
        }
        Ok(Self { block, dtype, len })
    }

    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The elements; `None` if they are not of type `T`.
    pub(crate) fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.dtype {
            return None;
        }
        // SAFETY: the block is 64-byte aligned and holds at least `len * size_of::<T>()` initialised bytes
        // (`unspecified` asked for them, the pool hands out zeroed or formerly used memory). Any bytes are a valid
        // `T` for the number types; `Bool` blocks were zeroed and are written only through `&mut [bool]`.
        // The sealed `Element` ties each dtype to one type. The borrow of `self` keeps the block alive and unwritten.
        Some(unsafe {
            std::slice::from_raw_parts(self.block.bytes().as_ptr().cast::<T>(), self.len)
        })
    }

    /// The elements for writing; `None` if they are not of type `T`.
    pub(crate) fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        if T::DTYPE != self.dtype {
            return None;
        }
        let len = self.len;
        // SAFETY: as in `as_slice`; `&mut self` makes the borrow unique.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.block.bytes_mut().as_mut_ptr().cast::<T>(), len)
        })
    }

    /// The elements' bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block.bytes()[..self.len * self.dtype.size()]
    }

    /// The elements' bytes for writing. Whoever writes to a `Bool` storage takes the bytes from another one.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len * self.dtype.size();
        &mut self.block.bytes_mut()[..len]
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        pool::give_back(std::mem::take(&mut self.block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_cannot_be_confused() {
        let mut storage = Storage::unspecified(DType::F32, 3).unwrap();
        assert!(storage.as_slice::<i64>().is_none() && storage.as_mut_slice::<bool>().is_none());
        storage
            .as_mut_slice::<f32>()
            .unwrap()
            .copy_from_slice(&[1.0, 2.0, 3.0]);
        assert_eq!(storage.as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn reused_blocks_are_valid_bools() {
        for _ in 0..4 {
            let mut bytes = Storage::unspecified(DType::U8, 777).unwrap();
            bytes.as_mut_slice::<u8>().unwrap().fill(0xff);
            drop(bytes);
            let bools = Storage::unspecified(DType::Bool, 777).unwrap();
            assert!(bools.as_slice::<bool>().unwrap().iter().all(|b| !b));
        }
    }

    #[test]
    fn size_overflow_is_an_error() {
        assert!(Storage::unspecified(DType::F64, usize::MAX / 4).is_err());
    }
}
