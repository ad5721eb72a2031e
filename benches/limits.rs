//! The machine's limits: `limits [--threads N] [--faults]` prints one JSON line. `cargo xtask bench limits` starts it.
//!
//! Each number is the median of nine repeats over all threads at once. Bytes are those that a program asks for: a copy reads
//! one and writes one, a triad `a = b + 3 c` reads two and writes one.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is one line of JSON")]

use gradus::linalg::limits::{bf16_operations, f32_operations, f32_operations_avx2, read};
use gradus::linalg::simd::{dispatch, name};
use serde_json::json;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Instant;

const REPEATS: usize = 9;
/// Rounds of the arithmetic loops: some 20 ms.
const ROUNDS: u64 = 10_000_000;
/// f32 of an array of each thread that no cache holds: 128 MiB.
const MEMORY: usize = 32 << 20;
/// f32 that fit into the second-level cache of a core: 512 KiB.
const CACHED: usize = 128 << 10;
const CACHED_PASSES: usize = 200;
/// Bytes of the fresh memory of a thread.
const FRESH: usize = 128 << 20;
const PAGE: usize = 4096;
/// Times that a number goes to another thread and back in a repeat: 5 to 30 ms.
const TRIPS: u32 = 100_000;

fn main() -> ExitCode {
    let (mut threads, mut faults) = (1, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match (word.as_str(), words.size_hint().0) {
            ("--faults", _) => faults = true,
            ("--threads", 1..) => {
                threads = words.next().and_then(|n| n.parse().ok()).unwrap_or(1);
            }
            _ => {
                eprintln!("error: {word} is not known; --threads N and --faults are");
                return ExitCode::from(2);
            }
        }
    }
    let line = if faults {
        json!({ "page_fault_ns": rounded(page_fault_ns(threads)) })
    } else {
        limits(threads)
    };
    println!("{line}");
    ExitCode::SUCCESS
}

fn limits(threads: usize) -> serde_json::Value {
    let gflops = |operations: fn(u64) -> Option<f64>| {
        operations(1)?;
        let rate = rate(threads, || (), |()| operations(ROUNDS).unwrap_or(0.0));
        Some(rounded(rate))
    };
    let bytes = (MEMORY * size_of::<f32>()) as f64;
    let arrays = || [1.0, 2.0, 3.0].map(|x: f32| vec![x; MEMORY]);
    let reading = rate(
        threads,
        || vec![1.0_f32; MEMORY],
        |a| {
            black_box(read(black_box(a)));
            bytes
        },
    );
    let copy = rate(threads, arrays, |[a, b, _]| {
        black_box(a).copy_from_slice(black_box(b));
        2.0 * bytes
    });
    let triad = rate(threads, arrays, |[a, b, c]| {
        triad(black_box(a), b, c);
        3.0 * bytes
    });
    let second_level = rate(
        threads,
        || vec![1.0_f32; CACHED],
        |a| {
            for _ in 0..CACHED_PASSES {
                black_box(read(black_box(a)));
            }
            (CACHED_PASSES * CACHED * size_of::<f32>()) as f64
        },
    );
    json!({
        "threads": threads,
        "instructions": name(),
        "f32_gflops": gflops(|rounds| Some(f32_operations(rounds))),
        "f32_avx2_gflops": gflops(f32_operations_avx2),
        "bf16_gflops": gflops(bf16_operations),
        "read_gbs": rounded(reading),
        "copy_gbs": rounded(copy),
        "triad_gbs": rounded(triad),
        "l2_read_gbs": rounded(second_level),
        "round_trip_ns": (threads > 1).then(|| rounded(round_trip_ns())),
    })
}

fn triad(a: &mut [f32], b: &[f32], c: &[f32]) {
    dispatch(
        #[inline(always)]
        || {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = c.mul_add(3.0, *b);
            }
        },
    );
}

/// Units of 10⁹ a second over all threads: each prepares its data, waits for the others, and works; the slowest ends the clock.
fn rate<D>(
    threads: usize,
    prepare: impl Fn() -> D + Sync,
    work: impl Fn(&mut D) -> f64 + Sync,
) -> f64 {
    let barrier = Barrier::new(threads);
    let one = || {
        let mut data = prepare();
        work(&mut data); // touches everything once
        let mut repeats = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            barrier.wait();
            let began = Instant::now();
            let done = work(&mut data);
            repeats.push((began.elapsed().as_secs_f64(), done));
            barrier.wait();
        }
        repeats
    };
    let all: Vec<Vec<(f64, f64)>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let joined = started.into_iter().map(|thread| thread.join());
        joined.map(Result::unwrap_or_default).collect()
    });
    median((0..REPEATS).map(|repeat| {
        let of_repeat = || all.iter().filter_map(|thread| thread.get(repeat));
        let slowest = of_repeat().map(|(seconds, _)| *seconds).fold(0.0, f64::max);
        of_repeat().map(|(_, done)| done).sum::<f64>() / slowest / 1e9
    }))
}

/// Nanoseconds a page of memory that the system has just given, one write each; over all threads at once.
fn page_fault_ns(threads: usize) -> f64 {
    let pages = (FRESH / PAGE) as f64;
    let per_second = rate(threads, Vec::new, |kept: &mut Vec<u8>| {
        // The old memory goes back first, so that each repeat has fresh pages.
        *kept = Vec::new();
        *kept = vec![0; FRESH];
        for page in kept.chunks_exact_mut(PAGE) {
            page[0] = 1;
        }
        black_box(&kept[..]);
        pages
    });
    threads as f64 / per_second
}

/// Nanoseconds until a number that one thread wrote was read and answered by another: whether they share a cache.
fn round_trip_ns() -> f64 {
    let turn = AtomicU32::new(0);
    // Even numbers are the first thread's to count on from, odd ones the other's.
    let count = |rest: u32| {
        let began = Instant::now();
        for next in (rest..2 * TRIPS).step_by(2) {
            while turn.load(Acquire) != next {
                std::hint::spin_loop();
            }
            turn.fetch_add(1, AcqRel);
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(TRIPS)
    };
    median((0..REPEATS).map(|_| {
        turn.store(0, Release);
        std::thread::scope(|scope| {
            scope.spawn(|| count(1));
            count(0)
        })
    }))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
