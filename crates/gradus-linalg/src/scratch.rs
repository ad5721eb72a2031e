//! Work space that is reused: aligned buffers kept by each thread, so that a steady-state step allocates nothing from the system.

use std::cell::RefCell;

use gradus_tensor::DType;

use crate::float::Float;

/// 64 bytes on their own cache line; any bit pattern is a valid number.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f64; 8]);

thread_local! {
    /// Free buffers, the last used on top: a kernel that runs inside another one's parallel loop takes the next.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with a 64-byte aligned buffer of `len` elements whose values are unspecified. Buffers only grow; nested calls get others.
pub(crate) fn with_scratch<T: Float, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    debug_assert!(matches!(T::DTYPE, DType::F32 | DType::F64));
    let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
    let mut buffer = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
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
}
