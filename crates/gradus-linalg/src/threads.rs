//! One rayon pool, and loops over blocks that are cut by shape only.
//!
//! No function here lets the number of threads decide how work is cut: a block's range depends on `n` and `block`
//! alone, so a kernel that gives each block its own output gives the same bits for 1 and for 64 threads. With one block
//! or one thread everything runs on the caller's thread, in block order, without allocation.
//!
//! A caller outside of the pool pays a wake-up of the pool for each parallel kernel (10-50 µs). Programs that run many
//! kernels enter the pool once with [`install`].

mod join;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// While this is in the environment, [`set_threads`] starts more threads than there are cores, if it is told to.
pub const OVERSUBSCRIBE: &str = "GRADUS_OVERSUBSCRIBE";

/// Sets the size of the process-wide pool. Returns false if the pool already runs (it can be set once).
///
/// `n = 0` means one thread per core, which is also the default. More than the cores that this process may use are not started (as with
/// `MKL_DYNAMIC`): they would take turns on them, and steps of 0.3 ms took 1.2 times as long. [`OVERSUBSCRIBE`] lifts that, to show that
/// results do not depend on the number.
pub fn set_threads(n: usize) -> bool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(workers(n, std::env::var_os(OVERSUBSCRIBE).is_some()))
        .build_global()
        .is_ok()
}

/// How many threads are started where `n` were asked for.
fn workers(n: usize, oversubscribe: bool) -> usize {
    if oversubscribe { n } else { n.min(cores()) }
}

/// The cores that this process may use.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Threads of the pool that a kernel called here would use.
pub fn current_threads() -> usize {
    rayon::current_num_threads()
}

/// Runs `f` on a thread of the process-wide pool, so that kernels inside start without a wake-up.
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        f()
    } else {
        rayon::scope(|_| f())
    }
}

type Pools = Mutex<Vec<(usize, Arc<rayon::ThreadPool>)>>;

/// Runs `f` in a pool of `n` threads (made once for each `n` and kept), be they more than the cores. For tests that compare thread counts.
///
/// If the system refuses to start the threads, `f` runs in the current pool: the results are the same.
pub fn with_threads<R: Send>(n: usize, f: impl FnOnce() -> R + Send) -> R {
    static POOLS: Pools = Mutex::new(Vec::new());
    let pool = {
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        match pools.iter().find(|(size, _)| *size == n) {
            Some((_, pool)) => Some(Arc::clone(pool)),
            None => rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .ok()
                .map(|pool| {
                    let pool = Arc::new(pool);
                    pools.push((n, Arc::clone(&pool)));
                    pool
                }),
        }
    };
    match pool {
        Some(pool) => pool.install(f),
        None => f(),
    }
}

/// Something that can be cut in two at an index: slices, ranges, rows of a matrix, and tuples of these.
///
/// The parts of a tuple are cut at the same index, so `(dst, x, y)` are walked in step.
pub trait Split: Send + Sized {
    /// Number of units (elements, rows).
    fn len(&self) -> usize;
    /// `(0..mid, mid..len)`.
    fn split(self, mid: usize) -> (Self, Self);
    /// No units at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Split for Range<usize> {
    fn len(&self) -> usize {
        self.end - self.start
    }
    fn split(self, mid: usize) -> (Self, Self) {
        (self.start..self.start + mid, self.start + mid..self.end)
    }
}

impl<T: Sync> Split for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split(self, mid: usize) -> (Self, Self) {
        self.split_at(mid)
    }
}

impl<T: Send> Split for &mut [T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split(self, mid: usize) -> (Self, Self) {
        self.split_at_mut(mid)
    }
}

/// Rows of `width` elements of a slice: one unit is a row.
#[derive(Debug, Clone, Copy)]
pub struct Rows<S> {
    /// The elements, `rows · width` of them.
    pub data: S,
    /// Elements of a row; not 0.
    pub width: usize,
}

impl<S: Split> Split for Rows<S> {
    fn len(&self) -> usize {
        self.data.len() / self.width
    }
    fn split(self, mid: usize) -> (Self, Self) {
        let (a, b) = self.data.split(mid * self.width);
        (
            Self {
                data: a,
                width: self.width,
            },
            Self {
                data: b,
                width: self.width,
            },
        )
    }
}

impl<A: Split, B: Split> Split for (A, B) {
    fn len(&self) -> usize {
        debug_assert_eq!(self.0.len(), self.1.len());
        self.0.len()
    }
    fn split(self, mid: usize) -> (Self, Self) {
        let (a, b) = (self.0.split(mid), self.1.split(mid));
        ((a.0, b.0), (a.1, b.1))
    }
}

impl<A: Split, B: Split, C: Split> Split for (A, B, C) {
    fn len(&self) -> usize {
        debug_assert!(self.0.len() == self.1.len() && self.0.len() == self.2.len());
        self.0.len()
    }
    fn split(self, mid: usize) -> (Self, Self) {
        let (a, b, c) = (self.0.split(mid), self.1.split(mid), self.2.split(mid));
        ((a.0, b.0, c.0), (a.1, b.1, c.1))
    }
}

/// Cuts `s` into blocks of `block` units (the last may be shorter) and calls `f(first unit, block)` for each, in parallel.
#[inline]
pub fn for_each_split<S: Split>(s: S, block: usize, f: impl Fn(usize, S) + Sync) {
    run_split(s, block.max(1), &f);
}

/// Not generic over the function, so that the scheduler is compiled once for each kind of operand and not for each kernel.
fn run_split<S: Split>(s: S, block: usize, f: &(dyn Fn(usize, S) + Sync)) {
    if s.len() <= block || current_threads() == 1 {
        split_serial(s, block, f);
    } else if rayon::current_thread_index().is_none() {
        rayon::scope(|_| split_parallel(0, s, block, f));
    } else {
        split_parallel(0, s, block, f);
    }
}

fn split_serial<S: Split>(mut s: S, block: usize, f: &dyn Fn(usize, S)) {
    let mut start = 0;
    while s.len() > block {
        let (head, tail) = s.split(block);
        f(start, head);
        start += block;
        s = tail;
    }
    if !s.is_empty() {
        f(start, s);
    }
}

fn split_parallel<S: Split>(start: usize, s: S, block: usize, f: &(dyn Fn(usize, S) + Sync)) {
    let blocks = s.len().div_ceil(block);
    if blocks <= 1 {
        f(start, s);
        return;
    }
    let mid = blocks / 2 * block;
    let (head, tail) = s.split(mid);
    join::join(
        || split_parallel(start, head, block, f),
        || split_parallel(start + mid, tail, block, f),
    );
}

/// Calls `f(block index, range)` for each block of `0..n`, in parallel. The blocks depend on `n` and `block` only.
#[inline]
pub fn for_each_block(n: usize, block: usize, f: impl Fn(usize, Range<usize>) + Sync) {
    let block = block.max(1);
    for_each_split(0..n, block, |start, range| f(start / block, range));
}

/// Calls `f(chunk index, chunk)` for each piece of `chunk` elements of `dst` (the last may be shorter), in parallel.
#[inline]
pub fn for_each_chunk_mut<T: Send>(
    dst: &mut [T],
    chunk: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let chunk = chunk.max(1);
    for_each_split(dst, chunk, |start, d| f(start / chunk, d));
}

/// `f(block index, range)` of each block of `0..n`, computed in parallel and returned in block order.
pub fn map_blocks<R: Send>(
    n: usize,
    block: usize,
    f: impl Fn(usize, Range<usize>) -> R + Sync,
) -> Vec<R> {
    let block = block.max(1);
    let mut out: Vec<Option<R>> = (0..n.div_ceil(block)).map(|_| None).collect();
    for_each_split(&mut out[..], 1, |i, slot| {
        let start = i * block;
        slot[0] = Some(f(i, start..n.min(start + block)));
    });
    out.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_threads_than_cores_unless_they_are_wanted() {
        assert_eq!(workers(0, false), 0);
        assert_eq!(workers(1, false), 1);
        assert_eq!(workers(cores() + 1, false), cores());
        assert_eq!(workers(cores() + 1, true), cores() + 1);
        with_threads(cores() + 1, || assert_eq!(current_threads(), cores() + 1));
    }

    #[test]
    fn blocks_cover_the_range_once_and_do_not_depend_on_threads() {
        for n in [0, 1, 9, 10, 11, 1000] {
            let expected: Vec<(usize, Range<usize>)> = (0..n)
                .step_by(10)
                .enumerate()
                .map(|(i, s)| (i, s..n.min(s + 10)))
                .collect();
            for threads in 1..=4 {
                let got = with_threads(threads, || map_blocks(n, 10, |i, r| (i, r)));
                assert_eq!(got, expected, "n {n}, {threads} threads");
            }
        }
    }

    #[test]
    fn chunks_reach_every_element() {
        for threads in 1..=4 {
            let mut v = vec![0_usize; 1003];
            with_threads(threads, || {
                for_each_chunk_mut(&mut v, 7, |c, d| {
                    d.iter_mut()
                        .enumerate()
                        .for_each(|(i, x)| *x += c * 7 + i + 1)
                });
            });
            assert!(v.iter().enumerate().all(|(i, &x)| x == i + 1));
        }
    }

    #[test]
    fn tuples_and_rows_are_cut_in_step() {
        let x: Vec<usize> = (0..60).collect();
        let mut sums = [0_usize; 20];
        with_threads(3, || {
            for_each_split(
                (
                    &mut sums[..],
                    Rows {
                        data: &x[..],
                        width: 3,
                    },
                ),
                4,
                |first, (d, rows)| {
                    assert_eq!(first % 4, 0);
                    for (d, row) in d.iter_mut().zip(rows.data.chunks_exact(3)) {
                        *d = row.iter().sum();
                    }
                },
            );
        });
        assert!(sums.iter().enumerate().all(|(i, &s)| s == 9 * i + 3));
    }

    #[test]
    fn with_threads_sets_the_count_seen_inside() {
        for threads in 1..=4 {
            assert_eq!(with_threads(threads, current_threads), threads);
        }
        assert!(install(|| rayon::current_thread_index().is_some()));
    }
}
