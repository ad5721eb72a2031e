//! A fork and join of two for kernels of tens of microseconds.
//!
//! A worker of rayon sleeps after some 15 µs without work, and so does a thread that waits for one. To wake it takes 20 to 50 µs (measured
//! on two cores of a virtual machine), which is what many kernels take as a whole. Here both look on for work a while longer.
//! Where there are more threads than cores they do not.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{cores, current_threads};

/// How long a worker looks for work after its last.
const LINGER: Duration = Duration::from_micros(100);
/// How long a thread whose half is done looks on for the other half: longer ones may as well be slept through.
const WAIT: Duration = Duration::from_millis(2);
/// What has become of the half that may be stolen.
const OPEN: u8 = 0;
const RUNS: u8 = 1;
const DONE: u8 = 2;

thread_local! {
    /// In how many halves this thread is.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static LINGERS: Cell<bool> = const { Cell::new(false) };
}

/// Runs both, `b` on another thread if one is idle.
pub(super) fn join(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if !has_cores() {
        rayon::join(a, b);
        return;
    }
    let progress = AtomicU8::new(OPEN);
    let _half = Half::enter(None);
    rayon::join_context(
        |_| {
            a();
            look_on(WAIT, || progress.load(Relaxed) == RUNS);
        },
        |context| {
            progress.store(RUNS, Relaxed);
            let half = Half::enter(Some(&progress));
            b();
            drop(half);
            if context.migrated() && !is_busy() {
                rayon::spawn(linger);
            }
        },
    );
}

/// Whether each thread of the pool has a core.
fn has_cores() -> bool {
    current_threads() <= cores()
}

/// Looks for work until none has come for [`LINGER`].
fn linger() {
    // A thread that waits for its own half may have taken this up: it must not stay.
    if !is_busy() {
        LINGERS.set(true);
        look_on(LINGER, || true);
        LINGERS.set(false);
    }
}

fn is_busy() -> bool {
    DEPTH.get() > 0 || LINGERS.get()
}

/// Runs the jobs of the pool while `wanted` and as long as no pause between them is longer than `pause`.
fn look_on(pause: Duration, wanted: impl Fn() -> bool) {
    let mut last = Instant::now();
    while wanted() && last.elapsed() < pause {
        if let Some(rayon::Yield::Executed) = rayon::yield_now() {
            last = Instant::now();
        } else {
            // Not a yield of the core: threads that yield are moved from core to core, away from their caches.
            std::hint::spin_loop();
        }
    }
}

/// A half that this thread runs; at its end, also by a panic, it is done.
struct Half<'a> {
    progress: Option<&'a AtomicU8>,
}

impl<'a> Half<'a> {
    fn enter(progress: Option<&'a AtomicU8>) -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self { progress }
    }
}

impl Drop for Half<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if let Some(progress) = self.progress {
            progress.store(DONE, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::threads::with_threads;

    /// Halves down to `depth`, with a pause before each that lets the other thread get to its job, or not.
    fn tree(depth: u32, pause: Duration, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Relaxed);
            return;
        }
        let began = Instant::now();
        while began.elapsed() < pause {
            std::hint::spin_loop();
        }
        let half = || tree(depth - 1, pause, leaves);
        join(half, half);
    }

    #[test]
    fn both_halves_run_once_before_it_returns() {
        for threads in [1, 2, 5] {
            for micros in [0, 20, 150] {
                let leaves = AtomicUsize::new(0);
                with_threads(threads, || {
                    for round in 1..=10 {
                        tree(5, Duration::from_micros(micros), &leaves);
                        assert_eq!(leaves.load(Relaxed), round * 32);
                    }
                });
            }
        }
    }

    #[test]
    fn a_panic_in_either_half_arrives_and_leaves_the_thread_as_it_was() {
        with_threads(2, || {
            for bad in [0, 1] {
                let fail = |half| assert_ne!(half, bad, "planted");
                let result = catch_unwind(AssertUnwindSafe(|| join(|| fail(0), || fail(1))));
                assert!(result.is_err());
                assert_eq!(DEPTH.get(), 0);
            }
            let leaves = AtomicUsize::new(0);
            tree(3, Duration::ZERO, &leaves);
            assert_eq!(leaves.load(Relaxed), 8);
        });
    }
}
