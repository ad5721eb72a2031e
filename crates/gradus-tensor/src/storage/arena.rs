//! Arenas: long mappings in huge pages that blocks are cut from and return to.
//!
//! A block that returns joins the free space on both its sides, so that what the gradients of one step leave serves the activations of the
//! next, whatever their sizes; lists of sizes would keep both. A request takes the smallest free space that holds it.
//!
//! Blocks share huge pages. A mapping of its own that is no multiple of 2 MiB, or begins anywhere, would be in huge pages only in part, and a
//! weight of a few MiB in none. Read in turns, such weights come from memory at 13 GB/s where those in huge pages come at 30 (AVX-512, Zen 4).

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::MmapMut;

/// A huge page, and where an arena must begin.
const HUGE: usize = 1 << 21;
/// Blocks are multiples of this.
const GRAIN: usize = 1 << 12;
/// Length of an arena. Pages that nobody touched cost nothing, on Linux at least.
const ARENA: usize = if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
    1 << 30
} else {
    1 << 26
};

static ARENAS: Mutex<Vec<Arena>> = Mutex::new(Vec::new());

/// A mapping, and what of it is free.
struct Arena {
    mapping: MmapMut,
    /// Where the first huge page begins; offsets count from here.
    start: NonNull<u8>,
    len: usize,
    /// What lies from here on was never given out.
    used: usize,
    /// The free spaces below `used`: length by offset. No two touch.
    free: BTreeMap<usize, usize>,
    /// The same, as length and offset.
    by_len: BTreeSet<(usize, usize)>,
}

// SAFETY: `start` points into the mapping, which belongs to no thread.
unsafe impl Send for Arena {}

impl Arena {
    /// At least `len` bytes from the start of a huge page on.
    fn map(len: usize) -> Option<Self> {
        // The system refuses what is longer than all its memory: a request for it is an error, and not the end of the process later on.
        let mut mapping = MmapMut::map_anon(len.checked_add(HUGE)?).ok()?;
        // Huge pages are a wish: without them blocks are only slower.
        #[cfg(target_os = "linux")]
        let _ = mapping.advise(memmap2::Advice::HugePage);
        let start = NonNull::new(mapping.as_mut_ptr())?;
        let before = start.align_offset(HUGE);
        Some(Self {
            // SAFETY: a huge page begins at most HUGE - 1 bytes behind the start of a mapping that is longer by HUGE.
            start: unsafe { start.add(before) },
            len: mapping.len() - before,
            mapping,
            used: 0,
            free: BTreeMap::new(),
            by_len: BTreeSet::new(),
        })
    }

    /// The smallest free space of at least `len` bytes, as length and offset.
    fn fit(&self, len: usize) -> Option<(usize, usize)> {
        self.by_len.range((len, 0)..).next().copied()
    }

    /// The free space that ends where nothing was given out yet, as length and offset.
    fn last(&self) -> (usize, usize) {
        match self.free.last_key_value() {
            Some((&offset, &len)) if offset + len == self.used => (len, offset),
            _ => (0, self.used),
        }
    }

    /// By how much `used` must grow to give `len` bytes at the end; `None` if it cannot.
    fn growth(&self, len: usize) -> Option<usize> {
        let (held, offset) = self.last();
        let more = len.saturating_sub(held);
        (len <= self.len - offset).then_some(more)
    }

    fn insert(&mut self, offset: usize, len: usize) {
        self.free.insert(offset, len);
        self.by_len.insert((len, offset));
    }

    fn remove(&mut self, offset: usize, len: usize) {
        self.free.remove(&offset);
        self.by_len.remove(&(len, offset));
    }

    /// Cuts `len` bytes off the front of a free space.
    fn cut(&mut self, (space, offset): (usize, usize), len: usize) -> Part {
        self.remove(offset, space);
        if space > len {
            self.insert(offset + len, space - len);
        }
        Part {
            // SAFETY: the space lies in the mapping.
            start: unsafe { self.start.add(offset) },
            len,
        }
    }

    /// `len` bytes at the end, for which [`Arena::growth`] has found room.
    fn grow(&mut self, len: usize) -> Part {
        let (held, offset) = self.last();
        if held > 0 {
            self.remove(offset, held);
        }
        self.used = offset + len;
        Part {
            // SAFETY: `growth` has checked that the bytes lie in the mapping.
            start: unsafe { self.start.add(offset) },
            len,
        }
    }

    /// Where a block lies, if it lies here.
    fn offset(&self, part: &Part) -> Option<usize> {
        let offset = part
            .start
            .addr()
            .get()
            .checked_sub(self.start.addr().get())?;
        (offset < self.len).then_some(offset)
    }

    /// Joins a block that was given out with the free space on both its sides.
    fn join(&mut self, mut offset: usize, mut len: usize) {
        if let Some((&before, &space)) = self.free.range(..offset).next_back()
            && before + space == offset
        {
            self.remove(before, space);
            (offset, len) = (before, len + space);
        }
        if let Some(&space) = self.free.get(&(offset + len)) {
            self.remove(offset + len, space);
            len += space;
        }
        self.insert(offset, len);
    }

    /// Gives the pages of free space back to the system, where it takes them.
    fn release(&self) {
        #[cfg(target_os = "linux")]
        for (&offset, &len) in &self.free {
            let before = self.start.addr().get() - self.mapping.as_ptr().addr();
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: nobody holds these bytes, and the system hands them out as zeros again. A refusal leaves them as they are.
            let _ = unsafe {
                self.mapping
                    .unchecked_advise_range(advice, before + offset, len)
            };
        }
    }
}

/// A block: bytes that were zeros at first. It returns to its arena when it is dropped.
pub(super) struct Part {
    start: NonNull<u8>,
    len: usize,
}

impl Part {
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: these bytes of a mapping were given to this part alone, and the mapping lives as long as one of its bytes is taken; the
        // system zeroed them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// The length of the block for a request; `None` if there is none so long.
pub(super) fn len_of(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(GRAIN)
}

/// A block of `len` bytes, a length that [`len_of`] gave, and how many of them were never given out before; `None` if the system has no memory.
pub(super) fn take(len: usize) -> Option<(Part, usize)> {
    let mut arenas = lock();
    let fits = arenas
        .iter_mut()
        .filter_map(|arena| Some((arena.fit(len)?, arena)));
    if let Some((space, arena)) = fits.min_by_key(|(space, _)| space.0) {
        return Some((arena.cut(space, len), 0));
    }
    let rooms = arenas
        .iter_mut()
        .filter_map(|arena| Some((arena.growth(len)?, arena)));
    if let Some((more, arena)) = rooms.min_by_key(|(more, _)| *more) {
        return Some((arena.grow(len), more));
    }
    let mut arena = Arena::map(len.max(ARENA)).or_else(|| Arena::map(len))?;
    let part = arena.grow(len);
    arenas.push(arena);
    Some((part, len))
}

impl Drop for Part {
    fn drop(&mut self) {
        for arena in lock().iter_mut() {
            if let Some(offset) = arena.offset(self) {
                return arena.join(offset, self.len);
            }
        }
    }
}

/// Gives free space back to the system, and the number of bytes that no arena keeps any longer.
pub(super) fn trim() -> usize {
    let mut gone = 0;
    lock().retain(|arena| {
        let idle = arena.last().0 == arena.used;
        if idle {
            gone += arena.used;
        } else {
            arena.release();
        }
        !idle
    });
    gone
}

/// A panic leaves arenas that are whole.
fn lock() -> MutexGuard<'static, Vec<Arena>> {
    ARENAS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offset and length of each block that an arena of its own has given out.
    struct Given {
        arena: Arena,
        blocks: Vec<(usize, usize)>,
    }

    impl Given {
        fn new() -> Self {
            Self {
                arena: Arena::map(1 << 24).unwrap(),
                blocks: Vec::new(),
            }
        }

        fn take(&mut self, len: usize) -> usize {
            let part = match self.arena.fit(len) {
                Some(space) => self.arena.cut(space, len),
                None => {
                    self.arena.growth(len).unwrap();
                    self.arena.grow(len)
                }
            };
            let offset = self.arena.offset(&part).unwrap();
            self.blocks.push((offset, len));
            offset
        }

        fn give_back(&mut self, index: usize) {
            let (offset, len) = self.blocks.swap_remove(index);
            self.arena.join(offset, len);
        }

        /// Blocks and free spaces fill the arena up to its mark, no two free spaces touch, and both lists of them agree.
        fn check(&self) {
            let free = &self.arena.free;
            let listed = free.iter().map(|(&offset, &len)| (len, offset));
            assert_eq!(listed.collect::<BTreeSet<_>>(), self.arena.by_len);
            let taken = self
                .blocks
                .iter()
                .map(|&(offset, len)| (offset, len, false));
            let mut all: Vec<_> = taken
                .chain(free.iter().map(|(&offset, &len)| (offset, len, true)))
                .collect();
            all.sort_unstable();
            let (mut end, mut was_free) = (0, false);
            for (offset, len, is_free) in all {
                assert_eq!(offset, end);
                assert!(!(is_free && was_free));
                (end, was_free) = (offset + len, is_free);
            }
            assert_eq!(end, self.arena.used);
        }
    }

    #[test]
    fn blocks_are_aligned_zeroed_and_apart() {
        let lens = (0..200).map(|i| len_of((1 << 16) + 64 * i).unwrap());
        let mut parts: Vec<Part> = lens
            .chain([2 * ARENA])
            .map(|len| take(len).unwrap().0)
            .collect();
        let begin = |part: &Part| part.bytes()[..1 << 12].to_vec();
        for (i, part) in parts.iter_mut().enumerate() {
            assert_eq!(part.bytes().as_ptr().addr() % 64, 0);
            part.bytes_mut()[..1 << 12].fill(i as u8);
        }
        for (i, part) in parts.iter().enumerate() {
            assert!(begin(part).iter().all(|&byte| byte == i as u8));
        }
        let mut arena = Arena::map(1 << 21).unwrap();
        assert_eq!(arena.start.addr().get() % HUGE, 0);
        let fresh = arena.grow(1 << 20);
        assert!(fresh.bytes().iter().all(|&byte| byte == 0));
    }

    #[test]
    fn free_space_joins_and_the_smallest_that_fits_is_cut() {
        let mut given = Given::new();
        let at: Vec<usize> = [5, 1, 3, 1, 2, 1]
            .iter()
            .map(|pages| given.take(pages * GRAIN))
            .collect();
        for index in [4, 2, 0] {
            given.give_back(index);
            given.check();
        }
        // Spaces of five, three and two pages.
        assert_eq!(given.take(2 * GRAIN), at[4]);
        assert_eq!(given.take(2 * GRAIN), at[2]);
        assert_eq!(given.take(2 * GRAIN), at[0]);
        given.check();
        while !given.blocks.is_empty() {
            given.give_back(0);
            given.check();
        }
        let used = given.arena.used;
        assert_eq!(given.arena.last(), (used, 0));
        // What was taken in parts is one space, which grows by what it lacks.
        assert_eq!(given.arena.growth(used + GRAIN), Some(GRAIN));
        assert_eq!(given.take(used + GRAIN), 0);
        assert_eq!(given.arena.used, used + GRAIN);
    }

    #[test]
    fn any_order_keeps_an_arena_whole() {
        let mut given = Given::new();
        let mut state = 1_u64;
        let mut draw = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..4000 {
            if given.blocks.len() > draw(40) {
                let index = draw(given.blocks.len());
                given.give_back(index);
            } else {
                given.take((1 + draw(60)) * GRAIN);
            }
            given.check();
        }
        assert!(given.arena.growth(given.arena.len + 1).is_none());
    }

    #[test]
    fn released_space_is_zeroed_and_used_again() {
        let mut given = Given::new();
        let first = given.arena.grow(HUGE);
        let mut second = given.arena.grow(HUGE);
        second.bytes_mut().fill(7);
        let offset = given.arena.offset(&second).unwrap();
        given.arena.join(offset, HUGE);
        given.arena.release();
        let again = given.arena.fit(HUGE).unwrap();
        let again = given.arena.cut(again, HUGE);
        assert_eq!(given.arena.offset(&again), Some(offset));
        if cfg!(target_os = "linux") {
            assert!(again.bytes().iter().all(|&byte| byte == 0));
        }
        assert!(first.bytes().iter().all(|&byte| byte == 0));
    }
}
