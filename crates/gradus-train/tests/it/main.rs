//! What training promises as a whole: micro-batches that train as one batch, no allocations in steady state, the same bits for any number of threads, resume
//! to the bit, checkpoints that hold all of a run and stay readable; losses that are no numbers, runs that are too large.

mod accumulate;
mod bf16;
mod checkpoints;
mod nonfinite;
mod released;
mod resume;
mod steady_state;
mod threads;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gradus_train::config::{ArgConfig, TrainConfig, TransformConfig};
use gradus_train::{Observer, Outcome, RunRequest, Silent, train};

/// A short run of a small model on the embedded data, with augmentation.
fn config(out: &Path) -> TrainConfig {
    let transform = |name: &str, args: &[(&str, ArgConfig)]| TransformConfig {
        name: name.into(),
        args: args
            .iter()
            .map(|(key, value)| ((*key).into(), value.clone()))
            .collect(),
    };
    TrainConfig {
        model: "mlp".into(),
        out: out.to_string_lossy().into_owned(),
        max_steps: 12,
        log_every: 1,
        eval_every: 0,
        batch_size: 32,
        transforms: vec![
            transform("RandomHorizontalFlip", &[]),
            transform("ToTensor", &[]),
            transform(
                "Normalize",
                &[
                    ("mean", ArgConfig::Number(0.5)),
                    ("std", ArgConfig::Number(0.5)),
                ],
            ),
        ],
        ..TrainConfig::default()
    }
}

fn run(config: &TrainConfig, resume: bool) -> Outcome {
    run_watched(config, resume, &AtomicBool::new(false), &mut Silent)
}

fn run_watched(
    config: &TrainConfig,
    resume: bool,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Outcome {
    let request = RunRequest {
        config,
        config_text: "# test",
        command: "test",
        resume,
        resume_anyway: false,
        stop,
    };
    train(&request, observer).expect("the run succeeds")
}

/// The logged losses, bit by bit.
fn losses(out: &Path) -> Vec<(u64, u64)> {
    let log = gradus_train::jsonl::read(out.join("metrics.jsonl")).expect("a log");
    log.series("train", "loss")
        .into_iter()
        .map(|(step, loss)| (step, loss.to_bits()))
        .collect()
}
