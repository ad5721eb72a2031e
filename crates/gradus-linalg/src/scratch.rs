//! Work space that is reused: aligned buffers kept by each thread, so that a steady-state step allocates nothing from the system.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use gradus_tensor::DType;

use crate::float::Float;

/// 64 bytes on their own cache line; any bit pattern is a valid number.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f64; 8]);

thread_local! {
    /// Free buffers: a kernel that runs inside another one's parallel loop takes the next.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with a 64-byte aligned buffer of `len` elements whose values are unspecified. Buffers only grow; nested calls get others.
pub(crate) fn with_scratch<T: Float, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    debug_assert!(matches!(T::DTYPE, DType::F32 | DType::F64));
    let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
    let mut buffer = FREE.with_borrow_mut(|free| take(free, lines));
    if buffer.len() < lines {
        buffer.resize(lines, Line([0.0; 8]));
    }
    // SAFETY: Float is f32 or f64, for which every bit pattern is valid and 64 bytes are enough alignment; the buffer holds at
    // least len elements, stays where it is while f runs, and is borrowed by nobody else.
    let slice = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<T>(), len) };
    let result = f(slice);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

/// The smallest buffer of at least `lines`, or the longest, which has the least to grow.
fn take(free: &mut Vec<Vec<Line>>, lines: usize) -> Vec<Line> {
    let place = |buffer: &Vec<Line>| {
        let len = buffer.len();
        if len < lines { usize::MAX - len } else { len }
    };
    let best = (0..free.len()).min_by_key(|&i| place(&free[i]));
    best.map_or_else(Vec::new, |i| free.swap_remove(i))
}

/// A destination whose parts are written by several threads at once.
#[derive(Debug)]
pub(crate) struct SharedMut<'a, T> {
    ptr: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is `range`, whose callers promise disjoint parts; sharing it is then splitting a `&mut [T]`.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        Self {
            ptr: data.as_mut_ptr(),
            len: data.len(),
            borrow: PhantomData,
        }
    }

    /// Its first element, for kernels that write parts which no slice describes; the parts of different threads must be disjoint.
    pub(crate) fn pointer(&self) -> *mut T {
        self.ptr
    }

    /// A part of the destination.
    ///
    /// # Safety
    /// No other part that shares an element with this one lives at the same time.
    #[allow(clippy::mut_from_ref)] // the contract above makes the parts disjoint
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "part of a destination lies outside"
        );
        // SAFETY: the range was just checked, the borrow keeps the slice alive, and the caller promises that nothing aliases it.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_reused_and_distinct_when_nested() {
        let first = with_scratch::<f32, _>(100, |a| {
            let inner = with_scratch::<f64, _>(10, |b| b.as_ptr().addr());
            assert_ne!(a.as_ptr().addr(), inner);
            a.as_ptr().addr()
        });
        assert_eq!(first % 64, 0);
        assert_eq!(with_scratch::<f32, _>(50, |a| a.as_ptr().addr()), first);
    }

    #[test]
    fn the_smallest_that_is_long_enough_is_taken() {
        let buffer = |len| vec![Line([0.0; 8]); len];
        let mut free = vec![buffer(40), buffer(10), buffer(20)];
        let lens = [11, 30, 50].map(|lines| take(&mut free, lines).len());
        assert_eq!(lens, [20, 40, 10]);
        assert!(take(&mut free, 1).is_empty());
    }
}
