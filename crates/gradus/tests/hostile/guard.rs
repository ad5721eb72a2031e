//! What a file may cost, and a way to see what it did cost.

use std::any::Any;
use std::cell::Cell;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use gradus::tensor::pool;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The most time that a file may take, in seconds.
const MOST_SECONDS: f64 = 1.0;

/// The most memory that a file may take beyond twice its length, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// The most time that may pass by the clock, in seconds, however busy the machine is.
const LONGEST_WAIT: f64 = 60.0;

/// How a parser answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Accepted,
    Refused(String),
    Panicked(String),
}

/// An answer, and what it cost.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) answer: Answer,
    pub(crate) seconds: f64,
    /// The most memory held at a time, heap and tensors, beyond what was held before.
    pub(crate) bytes: usize,
}

impl Cost {
    /// What is wrong with it, for a file of this length.
    pub(crate) fn fault(&self, len: usize) -> Option<String> {
        let most = 2 * len + MOST_BYTES;
        match &self.answer {
            Answer::Panicked(message) => Some(format!("panicked: {message}")),
            _ if self.bytes > most => Some(format!(
                "took {} bytes of memory, {most} are allowed for {len} bytes of file",
                self.bytes
            )),
            _ if self.seconds > MOST_SECONDS => Some(format!("took {:.2} s", self.seconds)),
            _ => None,
        }
    }
}

/// A line for whoever runs the tests with `--nocapture`.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Holds back the other tests of this program: the allocator counts for all of them.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` and counts. A time that is too long is measured twice more, and the shortest counts: the machine may have been busy.
pub(crate) fn watch(work: &dyn Fn() -> Result<(), String>) -> Cost {
    let mut cost = watch_once(work);
    for _ in 0..2 {
        if cost.seconds <= MOST_SECONDS {
            break;
        }
        let again = watch_once(work);
        cost.seconds = cost.seconds.min(again.seconds);
    }
    cost
}

fn watch_once(work: &dyn Fn() -> Result<(), String>) -> Cost {
    quiet_panics();
    pool::trim();
    let pooled = pool::stats().system_bytes;
    HEAP.reset_peak_usage();
    let held = HEAP.current_usage();
    let (begin, busy) = (Instant::now(), busy_seconds());
    WATCHED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    WATCHED.set(false);
    let waited = begin.elapsed().as_secs_f64();
    // On a busy machine the clock counts what others do.
    let seconds = match (busy, busy_seconds()) {
        (Some(before), Some(after)) if waited < LONGEST_WAIT => waited.min(after - before),
        _ => waited,
    };
    let heap = HEAP.peak_usage().saturating_sub(held);
    // Large tensors are mappings, which the allocator does not see; small ones are counted by both.
    let tensors = pool::stats().system_bytes.saturating_sub(pooled);
    let answer = match result {
        Ok(Ok(())) => Answer::Accepted,
        Ok(Err(message)) => Answer::Refused(message),
        Err(payload) => Answer::Panicked(text_of(&*payload)),
    };
    Cost {
        answer,
        seconds,
        bytes: heap + tensors,
    }
}

/// The time that this thread has computed, where the system tells it.
fn busy_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds * 1e-9)
}

/// The time that this process has computed, all its threads together, where the system tells it.
pub(crate) fn seconds_of_process() -> Option<f64> {
    /// Linux counts in hundredths of a second, whatever the machine's own clock.
    const TICKS: f64 = 100.0;
    let told = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may have blanks. Fields 14 and 15 of the line are the times in user and system mode; the state behind the name is 3.
    let (_, fields) = told.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Panics of what is watched are findings or are caught by the library: neither needs a message on the way.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !WATCHED.get() {
                usual(info);
            }
        }));
    });
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("something that is no text").to_owned()
}

#[test]
fn what_is_too_much_is_seen() {
    let _turn = one_at_a_time();
    let block = |bytes: usize| {
        let cost = watch(&|| {
            let block = vec![1_u8; bytes];
            if block.len() == bytes {
                Err("refused".into())
            } else {
                Ok(())
            }
        });
        cost.fault(0)
    };
    assert_eq!(block(MOST_BYTES - 4096), None);
    assert!(block(MOST_BYTES + 1).unwrap().contains("bytes of memory"));
    let tensor = watch(&|| {
        let zeros = gradus::tensor::Tensor::zeros([MOST_BYTES + 1], gradus::tensor::DType::U8);
        zeros.map(drop).map_err(|e| e.to_string())
    });
    assert!(tensor.fault(0).unwrap().contains("bytes of memory"));
    let panicked = watch(&|| panic!("planted {}", 7));
    assert_eq!(panicked.fault(0).unwrap(), "panicked: planted 7");
    let slow = watch(&|| {
        let begin = busy_seconds().unwrap_or(0.0);
        let clock = Instant::now();
        let spent = || busy_seconds().map_or(clock.elapsed().as_secs_f64(), |now| now - begin);
        while spent() < 1.02 {}
        Ok(())
    });
    assert!(slow.fault(0).unwrap().starts_with("took 1.0"));
}
