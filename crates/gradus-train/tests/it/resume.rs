//! An interrupted run goes on to the bits of an uninterrupted one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gradus_train::config::TrainConfig;
use gradus_train::{Observer, RunRequest, Silent, StepInfo, TrainError, train};

use crate::{config, losses, run, run_watched};

/// Asks the run to stop after a step.
struct StopAfter<'a> {
    step: u64,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn stepped(&mut self, info: &StepInfo) {
        if info.step == self.step {
            self.stop.store(true, Relaxed);
        }
    }
}

/// Everything that a checkpoint has to hold: velocity, schedule, moving average, a log interval, two epochs.
fn rich(out: &std::path::Path) -> TrainConfig {
    TrainConfig {
        batch_size: 512,
        max_steps: 14,
        log_every: 3,
        ema_decay: 0.9,
        accumulate: 2,
        warmup: 2,
        schedule: "cosine".into(),
        nesterov: true,
        eval_every: 1,
        ..config(out)
    }
}

#[test]
fn interrupted_and_resumed_equals_uninterrupted() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let expected = run(&rich(&whole), false);
    for step in [1, 4, 5, 9] {
        let out = dir.path().join(format!("cut{step}"));
        let config = rich(&out);
        let stop = AtomicBool::new(false);
        let cut = run_watched(&config, false, &stop, &mut StopAfter { step, stop: &stop });
        assert!(cut.interrupted && cut.steps == step);
        let resumed = run(&config, true);
        assert_eq!(resumed.resumed_from, Some(step));
        assert_eq!(
            resumed.weights_sha256, expected.weights_sha256,
            "cut after {step}"
        );
        assert_eq!(losses(&out), losses(&whole), "cut after {step}");
        assert_eq!(resumed.train_loss, expected.train_loss);
    }
}

#[test]
fn a_run_is_not_written_over_and_a_changed_one_not_continued() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let first = TrainConfig {
        max_steps: 2,
        ..config(&out)
    };
    run(&first, false);
    let stop = AtomicBool::new(false);
    let attempt = |config: &TrainConfig, resume| {
        let request = RunRequest {
            config,
            config_text: "",
            command: "",
            resume,
            resume_anyway: false,
            stop: &stop,
        };
        train(&request, &mut Silent)
    };
    assert!(matches!(
        attempt(&first, false),
        Err(TrainError::RunExists { .. })
    ));
    let changed = TrainConfig {
        lr: 0.5,
        max_steps: 4,
        ..first.clone()
    };
    let message = attempt(&changed, true).unwrap_err().to_string();
    assert!(message.contains("lr: was 0.01, is 0.5"), "{message}");
    let longer = TrainConfig {
        max_steps: 4,
        ..first
    };
    assert_eq!(attempt(&longer, true).unwrap().steps, 4);
}

#[test]
fn a_damaged_image_loses_no_step() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    gradus_data::make_tree("fashion-mnist-mini", &images).unwrap();
    let over = |out: &std::path::Path| TrainConfig {
        data: images.to_string_lossy().into_owned(),
        batch_size: 512,
        max_steps: 10,
        ..config(out)
    };
    let expected = run(&over(&dir.path().join("whole")), false);
    let class = images.join("train/trouser");
    let mut files: Vec<_> = std::fs::read_dir(&class)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let bytes = std::fs::read(&files[7]).unwrap();
    std::fs::write(&files[7], &bytes[..bytes.len() / 2]).unwrap();
    let damaged = over(&dir.path().join("damaged"));
    let stop = AtomicBool::new(false);
    let request = RunRequest {
        config: &damaged,
        config_text: "",
        command: "",
        resume: false,
        resume_anyway: false,
        stop: &stop,
    };
    let error = train(&request, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("trouser"), "{error}");
    std::fs::write(&files[7], bytes).unwrap();
    let resumed = run(&damaged, true);
    assert!(resumed.resumed_from.is_some());
    assert_eq!(resumed.weights_sha256, expected.weights_sha256);
}
