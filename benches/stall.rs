//! How long training stands still for its checkpoints: a GPT of 10 M parameters that saves every 50 steps. `cargo xtask bench stall` starts it.
//!
//! A step that waits, or that has less of the machine because a checkpoint is being written, takes longer than others. What the steps
//! behind a checkpoint take beyond the median of those long before one is the stall.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its output is lines of JSON")]

use gradus::prelude::*;
use gradus::train::{StepInfo, train};
use gradus_benches::workloads::Outcome as Done;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Steps between checkpoints.
const EVERY: u64 = 50;
/// Steps behind a checkpoint that may feel it.
const FELT: usize = 12;
/// Steps before the first that counts.
const WARM_UP: usize = 5;

fn main() -> ExitCode {
    match request().and_then(|request| run(&request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Request {
    threads: usize,
    batch_size: usize,
    saves: u64,
}

/// `[--threads N] [--batch-size N] [--saves N]`.
fn request() -> Done<Request> {
    let mut request = Request {
        threads: 2,
        batch_size: 4,
        saves: 3,
    };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{flag} needs a number"))?;
        let number: usize = value.parse().map_err(|e| format!("{flag} {value}: {e}"))?;
        match flag.as_str() {
            "--threads" => request.threads = number.max(1),
            "--batch-size" => request.batch_size = number.max(1),
            "--saves" => request.saves = number.max(1) as u64,
            _ => return Err(format!("{flag} is not known").into()),
        }
    }
    Ok(request)
}

fn run(request: &Request) -> Done<()> {
    let dir = tempfile::tempdir()?;
    let text = dir.path().join("text.txt");
    std::fs::write(&text, letters())?;
    set_threads(request.threads);
    for lag in [0, EVERY] {
        let out = dir.path().join(format!("lag{lag}"));
        let config = config(request, &text, &out, lag);
        let mut clock = Clock::default();
        let stop = AtomicBool::new(false);
        let request_of_run = RunRequest {
            config: &config,
            config_text: "# a bench",
            command: "stall",
            resume: false,
            resume_anyway: false,
            stop: &stop,
        };
        install(|| train(&request_of_run, &mut clock))?;
        let bytes = size_of(&out.join(format!("checkpoints/step-{EVERY}")))?;
        println!("{}", clock.line(request, lag, bytes)?);
    }
    Ok(())
}

/// nanoGPT's configuration for characters: 6 layers of 6 heads, 384 wide.
fn config(request: &Request, text: &Path, out: &Path, lag: u64) -> TrainConfig {
    let architecture = [
        ("n_layer", 6),
        ("n_head", 6),
        ("n_embd", 384),
        ("n_inner", 1536),
    ];
    TrainConfig {
        train_file: text.to_string_lossy().into_owned(),
        out: out.to_string_lossy().into_owned(),
        tokenizer: "char".into(),
        block_size: 256,
        batch_size: request.batch_size,
        windows_per_epoch: 1 << 14,
        max_steps: EVERY * request.saves + FELT as u64,
        val_fraction: 0.01,
        checkpoint_every: EVERY,
        checkpoint_lag: lag,
        keep_checkpoints: 100,
        threads: request.threads,
        architecture: architecture
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into(),
        ..TrainConfig::of_task("language-model")
    }
}

/// Text of 64 letters that no model learns.
fn letters() -> String {
    let mut state = 1_u32;
    let mut text = String::new();
    for _ in 0..40_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(char::from(b'0' + (state >> 26) as u8));
    }
    text
}

fn size_of(folder: &Path) -> Done<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Notes when steps end and what writing takes.
#[derive(Default)]
struct Clock {
    last: Option<Instant>,
    parameters: usize,
    steps: Vec<Duration>,
    written: Vec<Duration>,
}

impl Observer for Clock {
    fn started(&mut self, plan: &gradus::train::Plan) {
        self.parameters = plan.parameters;
        self.last = Some(Instant::now());
    }

    fn stepped(&mut self, _info: &StepInfo) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.steps.push(now - last);
        }
    }

    fn saved(&mut self, _step: u64, took: Duration) {
        self.written.push(took);
    }
}

impl Clock {
    fn line(&self, request: &Request, lag: u64, bytes: u64) -> Done<String> {
        let saves = usize::try_from(request.saves)?;
        let every = usize::try_from(EVERY)?;
        let felt = |i: usize| i >= every && i % every < FELT;
        let plain = (WARM_UP..self.steps.len()).filter(|&i| !felt(i));
        let step = median(plain.map(|i| self.steps[i]).collect()).ok_or("no step was timed")?;
        let extra = |save: usize| {
            let behind = &self.steps[save * every..][..FELT];
            behind.iter().sum::<Duration>().as_secs_f64() - step * FELT as f64
        };
        let extras: Vec<f64> = (1..=saves).map(extra).collect();
        let interval = step * EVERY as f64;
        let share = |seconds: f64| (seconds / interval * 1e4).round() / 1e2;
        let written = median(self.written.clone()).ok_or("nothing was saved")?;
        let mean = extras.iter().sum::<f64>() / saves as f64;
        let ms = |seconds: f64| (seconds * 1e4).round() / 10.0;
        Ok(json!({
            "bench": "stall",
            "parameters": self.parameters,
            "threads": request.threads,
            "batch_size": request.batch_size,
            "checkpoint_every": EVERY,
            "checkpoint_lag": lag,
            "checkpoint_mb": bytes / 1_000_000,
            "step_ms": ms(step),
            "write_ms": ms(written),
            "stall_ms": extras.iter().map(|&seconds| ms(seconds)).collect::<Vec<_>>(),
            "stall_percent": share(mean),
            "stall_percent_if_training_waited": share(written),
        })
        .to_string())
    }
}

/// The median in seconds.
fn median(mut times: Vec<Duration>) -> Option<f64> {
    times.sort_unstable();
    times.get(times.len() / 2).map(Duration::as_secs_f64)
}
