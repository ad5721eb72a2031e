//! One workload, timed: `workload NAME [--threads N] [--dtype f32|bf16] [--steps K]` prints one JSON line; with `--serve` one a request.
//! `cargo xtask bench` starts it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is one line of JSON")]

mod serve;

use gradus::autograd::{OpProfile, Precision, autocast, profile};
use gradus::prelude::*;
use gradus_benches::workloads::{Outcome, WORKLOADS, Workload};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Steps before the first that counts.
const WARM_UP: usize = 2;
/// Without `--steps` the workload runs for about this long, but at least [`LEAST_STEPS`] steps.
const ENOUGH: Duration = Duration::from_secs(4);
const LEAST_STEPS: usize = 5;
const MOST_STEPS: usize = 2000;

struct Request {
    name: String,
    threads: usize,
    steps: Option<usize>,
    precision: Precision,
    profile: bool,
    serve: bool,
}

fn main() -> ExitCode {
    let done = request(std::env::args().skip(1)).and_then(|request| {
        set_threads(request.threads);
        install(|| autocast(request.precision, || run(&request)))
    });
    match done {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn request(mut words: impl Iterator<Item = String>) -> Outcome<Request> {
    let known = || {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        format!("a workload's name is needed: {}", names.join(", "))
    };
    let mut request = Request {
        name: words.next().ok_or_else(known)?,
        threads: 1,
        steps: None,
        precision: Precision::Full,
        profile: false,
        serve: false,
    };
    if !WORKLOADS.iter().any(|known| known.name == request.name) {
        return Err(format!("{:?} is no workload; {}", request.name, known()).into());
    }
    while let Some(flag) = words.next() {
        if flag == "--profile" {
            request.profile = true;
            continue;
        }
        if flag == "--serve" {
            request.serve = true;
            continue;
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{flag} needs a value"))?;
        if flag == "--dtype" {
            request.precision = match value.as_str() {
                "f32" => Precision::Full,
                "bf16" => Precision::Bf16,
                _ => return Err(format!("--dtype {value}: f32 or bf16").into()),
            };
            continue;
        }
        let number: usize = value.parse().map_err(|e| format!("{flag} {value}: {e}"))?;
        match flag.as_str() {
            "--threads" => request.threads = number.max(1),
            "--steps" => request.steps = Some(number.max(1)),
            _ => {
                return Err(format!(
                    "{flag} is not known; --threads N, --dtype NAME, --steps K, --profile and --serve are"
                )
                .into());
            }
        }
    }
    Ok(request)
}

fn run(request: &Request) -> Outcome<serde_json::Value> {
    let named = WORKLOADS
        .iter()
        .find(|known| known.name == request.name)
        .ok_or("no such workload")?;
    let base_rss_mb = peak_rss_mb();
    let mut workload = (named.make)()?;
    if request.serve {
        return serve::serve(workload.as_mut(), base_rss_mb);
    }
    let first = workload.step()?;
    for _ in 1..WARM_UP {
        workload.step()?;
    }
    let (timed, ops) = if request.profile {
        profile(|| timed(workload.as_mut(), request.steps))
    } else {
        (timed(workload.as_mut(), request.steps), Vec::new())
    };
    let (mut times, last) = timed?;
    if request.profile {
        eprint!("{}", table(&ops, &times));
    }
    times.sort_by(f64::total_cmp);
    let rounded = |ms: f64| (ms * 1e4).round() / 1e4;
    Ok(serde_json::json!({
        "workload": request.name,
        "threads": request.threads,
        "dtype": if request.precision == Precision::Bf16 { "bf16" } else { "f32" },
        "median_ms": rounded(times[times.len() / 2]),
        "min_ms": rounded(times[0]),
        "max_ms": rounded(times[times.len() - 1]),
        "steps": times.len(),
        "peak_rss_mb": peak_rss_mb(),
        "gflop_per_step": named.gflop,
        "loss_first": first,
        "loss_last": last,
    }))
}

/// The time of each step in ms, and the last one's result.
fn timed(workload: &mut dyn Workload, steps: Option<usize>) -> Outcome<(Vec<f64>, f64)> {
    let began = Instant::now();
    let mut times = Vec::new();
    let mut last = f64::NAN;
    let goes_on = |done: usize| match steps {
        Some(steps) => done < steps,
        None => done < LEAST_STEPS || (done < MOST_STEPS && began.elapsed() < ENOUGH),
    };
    while goes_on(times.len()) {
        let step = Instant::now();
        last = workload.step()?;
        times.push(step.elapsed().as_secs_f64() * 1e3);
    }
    Ok((times, last))
}

/// What each op took of a step, the longest first; what is left is the optimizer's and the tape's.
fn table(ops: &[OpProfile], times: &[f64]) -> String {
    let steps = times.len() as f64;
    let step: f64 = times.iter().sum::<f64>() / steps;
    let mut lines = format!(
        "{:<44} {:>7} {:>10} {:>6} {:>9} {:>8}\n",
        "op", "calls", "ms/step", "share", "GFLOP/s", "GB/s"
    );
    let mut rest = step;
    for op in ops {
        let seconds = op.time.as_secs_f64();
        let ms = seconds * 1e3 / steps;
        rest -= ms;
        let name = format!("{}{}", op.name, if op.backward { ", backward" } else { "" });
        let rate = |count: u64| match count {
            0 => String::from("-"),
            count => format!("{:.1}", count as f64 / seconds / 1e9),
        };
        let (calls, share) = (op.calls as f64 / steps, ms / step * 100.0);
        let (flops, bytes) = (rate(op.flops), rate(op.bytes));
        lines +=
            &format!("{name:<44} {calls:>7.1} {ms:>10.4} {share:>5.1}% {flops:>9} {bytes:>8}\n");
    }
    let share = rest / step * 100.0;
    lines
        + &format!(
            "{:<44} {:>7} {rest:>10.4} {share:>5.1}%\n",
            "the rest (optimizer, tape)", ""
        )
}

/// The most memory that the process held, in MiB; none where the system does not say.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}
