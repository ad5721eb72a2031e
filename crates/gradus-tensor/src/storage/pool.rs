//! The pool of memory blocks: 64-byte aligned, reused between steps.
//!
//! Fresh pages cost a fault each (about 1.5 µs per 4 KiB on the machine that `docs/benchmarks.md` names), several
//! times what a kernel spends on them. A freed block therefore stays: a small one in the list of its size class, a large
//! one in its arena. A training step that repeats its shapes allocates nothing from the system.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::arena::{self, Part};
use crate::{Error, Result};

const ALIGN: usize = 64;
/// Size classes of small blocks: four steps in each power of two, so that a block is at most a quarter larger than asked for.
const CLASSES: usize = 4 * MAPPED_FROM.ilog2() as usize + 1;
/// Requests from this size on come from the arenas.
const MAPPED_FROM: usize = 1 << 16;

static FREE: [Mutex<Vec<Block>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static CACHED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// What the pool holds, in bytes and counts since the process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// How often memory was asked from the system since the process began.
    pub system_allocations: usize,
    /// Bytes now held: live and cached.
    pub system_bytes: usize,
    /// Bytes of blocks in use.
    pub live_bytes: usize,
    /// Bytes waiting to be used again. [`trim`] gives the memory of what lies between blocks in use back, but it goes on counting here.
    pub cached_bytes: usize,
    /// The highest `live_bytes` so far, or since the last [`reset_peak`].
    pub peak_bytes: usize,
}

/// The pool's counters at this moment.
pub fn stats() -> PoolStats {
    PoolStats {
        system_allocations: SYSTEM_ALLOCATIONS.load(Relaxed),
        system_bytes: SYSTEM_BYTES.load(Relaxed),
        live_bytes: LIVE_BYTES.load(Relaxed),
        cached_bytes: CACHED_BYTES.load(Relaxed),
        peak_bytes: PEAK_BYTES.load(Relaxed),
    }
}

/// Begins to measure the peak anew, from what is in use now.
pub fn reset_peak() {
    PEAK_BYTES.store(LIVE_BYTES.load(Relaxed), Relaxed);
}

/// Gives the memory of all cached blocks back to the system.
pub fn trim() {
    let gone = arena::trim();
    CACHED_BYTES.fetch_sub(gone, Relaxed);
    SYSTEM_BYTES.fetch_sub(gone, Relaxed);
    for list in &FREE {
        let blocks = std::mem::take(&mut *lock(list));
        for block in blocks {
            CACHED_BYTES.fetch_sub(block.len(), Relaxed);
            SYSTEM_BYTES.fetch_sub(block.len(), Relaxed);
        }
    }
}

/// A block of memory, initialised in all its length.
#[derive(Default)]
pub(super) enum Block {
    #[default]
    Empty,
    Heap {
        start: NonNull<u8>,
        len: usize,
    },
    Mapped(Part),
}

// SAFETY: a heap block is owned memory behind a unique pointer, like a `Box<[u8]>`; nothing about it is tied to a thread.
unsafe impl Send for Block {}
// SAFETY: shared access reads bytes only; writing needs `&mut`.
unsafe impl Sync for Block {}

impl Block {
    /// A small block from the system.
    fn allocate(len: usize) -> Option<Self> {
        let layout = Layout::from_size_align(len, ALIGN).ok()?;
        // SAFETY: `len` is not 0 (`take` never asks for an empty block), so the layout is not zero-sized.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
        SYSTEM_BYTES.fetch_add(len, Relaxed);
        Some(Self::Heap { start, len })
    }

    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Heap { len, .. } => *len,
            Self::Mapped(part) => part.bytes().len(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            // An empty slice that is aligned for every element type.
            // SAFETY: a slice of length 0 needs only an aligned non-null pointer.
            Self::Empty => unsafe {
                std::slice::from_raw_parts(std::ptr::without_provenance(ALIGN), 0)
            },
            // SAFETY: `start` owns `len` bytes that `alloc_zeroed` initialised.
            Self::Heap { start, len } => unsafe {
                std::slice::from_raw_parts(start.as_ptr(), *len)
            },
            Self::Mapped(part) => part.bytes(),
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            // SAFETY: a slice of length 0 needs only an aligned non-null pointer.
            Self::Empty => unsafe {
                std::slice::from_raw_parts_mut(std::ptr::without_provenance_mut(ALIGN), 0)
            },
            // SAFETY: as in `bytes`, and `&mut self` makes the access unique.
            Self::Heap { start, len } => unsafe {
                std::slice::from_raw_parts_mut(start.as_ptr(), *len)
            },
            Self::Mapped(part) => part.bytes_mut(),
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Self::Heap { start, len } = self
            && let Ok(layout) = Layout::from_size_align(*len, ALIGN)
        {
            // SAFETY: `allocate` got `start` from the same allocator with the same size and alignment, and each
            // block is dropped once.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }
}

/// A block of at least `bytes` bytes, from the pool if it has one.
pub(super) fn take(bytes: usize) -> Result<Block> {
    if bytes == 0 {
        return Ok(Block::Empty);
    }
    let found = if bytes < MAPPED_FROM { small } else { large };
    let block = found(bytes).or_else(|| {
        trim();
        found(bytes)
    });
    let block = block.ok_or(Error::OutOfMemory { bytes })?;
    let live = LIVE_BYTES.fetch_add(block.len(), Relaxed) + block.len();
    PEAK_BYTES.fetch_max(live, Relaxed);
    Ok(block)
}

/// A block of the request's size class.
fn small(bytes: usize) -> Option<Block> {
    let (class, size) = class_of(bytes);
    let cached = lock(&FREE[class]).pop();
    if cached.is_some() {
        CACHED_BYTES.fetch_sub(size, Relaxed);
        return cached;
    }
    Block::allocate(size)
}

/// A block from an arena.
fn large(bytes: usize) -> Option<Block> {
    let (part, fresh) = arena::take(arena::len_of(bytes)?)?;
    if fresh > 0 {
        SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
        SYSTEM_BYTES.fetch_add(fresh, Relaxed);
    }
    CACHED_BYTES.fetch_sub(part.bytes().len() - fresh, Relaxed);
    Some(Block::Mapped(part))
}

/// Puts a block back for a later request.
pub(super) fn give_back(block: Block) {
    let size = block.len();
    LIVE_BYTES.fetch_sub(size, Relaxed);
    CACHED_BYTES.fetch_add(size, Relaxed);
    if matches!(block, Block::Heap { .. }) {
        lock(&FREE[class_of(size).0]).push(block);
    }
}

/// The size class of a request, and the size of its blocks.
fn class_of(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(4 * ALIGN);
    let power = bytes.ilog2() as usize;
    let step = 1usize << (power - 2);
    let steps = (bytes - (1 << power)).div_ceil(step);
    (4 * power + steps, (1 << power) + steps * step)
}

/// The lists hold no invariant that a panic could break, so a poisoned lock is as good as any.
fn lock(list: &Mutex<Vec<Block>>) -> std::sync::MutexGuard<'_, Vec<Block>> {
    list.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_at_most_a_quarter_and_are_stable() {
        for bytes in (1..5000).chain([1 << 20, (1 << 21) + 1, 123_456_789]) {
            let (class, size) = class_of(bytes);
            assert!(size >= bytes, "{bytes}");
            assert!(
                bytes < 256 || size <= bytes + bytes / 4 + 1,
                "{bytes} {size}"
            );
            assert_eq!(class_of(size), (class, size), "{bytes}");
            assert_eq!(size % ALIGN, 0);
        }
    }

    #[test]
    fn blocks_are_aligned_and_reused() {
        for size in [1, 100, 4096, MAPPED_FROM, MAPPED_FROM + 1] {
            let block = take(size).unwrap();
            assert_eq!(block.bytes().as_ptr() as usize % ALIGN, 0);
            assert!(block.len() >= size);
            give_back(block);
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(matches!(take(1 << 60), Err(Error::OutOfMemory { .. })));
    }
}
