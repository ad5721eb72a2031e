//! What the Rust peers share: they speak with `cargo xtask bench --peers` as `benches/peers/README.md` describes.
#![forbid(unsafe_code)]

use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

/// What a peer's parts answer.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Steps before the first line.
const WARM_UP: usize = 2;

/// The workload's name, the program's only argument. The number of threads is rayon's: `RAYON_NUM_THREADS`.
pub fn workload() -> Outcome<String> {
    std::env::args()
        .nth(1)
        .ok_or_else(|| "a workload's name is needed".into())
}

/// The batch size of a workload that is called `<prefix><batch>`.
pub fn batch_of(workload: &str, prefix: &str) -> Option<usize> {
    workload.strip_prefix(prefix)?.parse().ok()
}

/// Runs `step`, which answers the loss, as often as each line of stdin asks, and answers with a line of JSON.
pub fn serve(version: &str, mut step: impl FnMut() -> Outcome<f64>) -> Outcome<()> {
    let base = status_mb("VmHWM:");
    let mut first = timed(WARM_UP, &mut step)?;
    first["ready"] = json!(true);
    first["version"] = json!(version);
    first["base_rss_mb"] = json!(base);
    say(&first)?;
    for line in io::stdin().lock().lines() {
        let steps = line?.trim().parse()?;
        say(&timed(steps, &mut step)?)?;
    }
    Ok(())
}

fn timed(steps: usize, step: &mut impl FnMut() -> Outcome<f64>) -> Outcome<Value> {
    let (mut times, mut losses) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let began = Instant::now();
        losses.push(step()?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(json!({ "ms": times, "losses": losses, "peak_rss_mb": status_mb("VmHWM:") }))
}

fn say(line: &Value) -> Outcome<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A field of `/proc/self/status`, in MiB; none where the system has no such file.
fn status_mb(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
