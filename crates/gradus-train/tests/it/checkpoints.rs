//! What checkpoints hold, which of them stay, and what a run that goes on from any of them leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gradus_checkpoint::{CheckpointStore, RealFileSystem, load_state_dict, weights_sha256};
use gradus_train::config::TrainConfig;
use gradus_train::{Observer, Outcome, RunRequest, TrainError, train};

use crate::{config, run};

/// The steps that have a checkpoint, the first one first.
fn steps(out: &Path) -> Vec<u64> {
    let mut steps = store(out).steps().unwrap();
    steps.reverse();
    steps
}

fn store(out: &Path) -> CheckpointStore {
    CheckpointStore::new(out.join("checkpoints"), Arc::new(RealFileSystem))
}

/// The digests of model and optimizer in the checkpoint of a step.
fn digests(out: &Path, step: u64) -> [String; 2] {
    let checkpoint = store(out).load(step).unwrap();
    ["model.safetensors", "optimizer.safetensors"]
        .map(|name| checkpoint.manifest().file(name).unwrap().sha256.clone())
}

/// The lines of a log without what a clock says.
fn log(out: &Path, name: &str) -> Vec<String> {
    let untimed = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record
            .as_object_mut()
            .unwrap()
            .remove("examples_per_second");
        record.to_string()
    };
    let text = fs::read_to_string(out.join(name)).unwrap();
    text.lines().map(untimed).collect()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Ten steps an epoch, an evaluation after each epoch, a moving average, two micro-batches a step.
fn watched(out: &Path) -> TrainConfig {
    TrainConfig {
        batch_size: 256,
        accumulate: 2,
        epochs: 3,
        max_steps: 0,
        eval_every: 1,
        ema_decay: 0.9,
        log_samples: true,
        checkpoint_every: 5,
        keep_checkpoints: 100,
        ..config(out)
    }
}

#[test]
fn from_every_checkpoint_a_run_leaves_the_same_logs_and_weights() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let expected = run(&watched(&whole), false);
    assert_eq!(steps(&whole), [5, 10, 15, 20, 25, 30]);
    let seen = log(&whole, "samples.jsonl");
    let ids: usize = seen.iter().map(|line| line.matches(',').count()).sum();
    assert!(seen.len() == 30 && ids > 3 * 5000, "{} {ids}", seen.len());
    // A process that died after the checkpoint of a step left logs that are longer.
    for last in [10, 15, 30] {
        let out = dir.path().join(format!("from{last}"));
        copy_tree(&whole, &out);
        for step in steps(&out).into_iter().filter(|&step| step > last) {
            fs::remove_dir_all(out.join(format!("checkpoints/step-{step}"))).unwrap();
        }
        let config = TrainConfig {
            out: out.to_string_lossy().into_owned(),
            ..watched(&out)
        };
        let resumed = run(&config, true);
        assert_eq!(resumed.resumed_from, Some(last));
        assert_eq!(resumed.weights_sha256, expected.weights_sha256, "{last}");
        for name in ["metrics.jsonl", "samples.jsonl"] {
            assert_eq!(log(&out, name), log(&whole, name), "{name} from {last}");
        }
    }
}

#[test]
fn steps_that_are_done_while_a_checkpoint_is_written_do_not_change_it() {
    let dir = tempfile::tempdir().unwrap();
    let saved = |lag: u64| {
        let out = dir.path().join(format!("lag{lag}"));
        let config = TrainConfig {
            max_steps: 12,
            epochs: 1,
            checkpoint_every: 1,
            checkpoint_lag: lag,
            ..watched(&out)
        };
        let outcome = run(&config, false);
        let digests: Vec<_> = steps(&out).iter().map(|&s| digests(&out, s)).collect();
        (outcome.weights_sha256, digests)
    };
    let (first, second) = (saved(0), saved(8));
    assert_eq!(first.1.len(), 10);
    assert_eq!(first, second);
}

/// The rate is 0 after the first epoch, so that no later evaluation is better.
fn stale(out: &Path) -> TrainConfig {
    TrainConfig {
        epochs: 9,
        schedule: "multistep".into(),
        milestones: vec![10],
        gamma: 0.0,
        ema_decay: 0.0,
        keep_best: true,
        early_stopping: 2,
        keep_checkpoints: 1,
        ..watched(out)
    }
}

#[test]
fn the_best_weights_and_the_early_end_survive_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("parts"));
    let expected = run(&stale(&whole), false);
    assert!(expected.stopped_early && expected.steps == 30);
    assert_eq!(steps(&whole), [10, 30], "the best one and the last one");
    let part = TrainConfig {
        max_steps: 17,
        ..stale(&out)
    };
    run(&part, false);
    let best = out.join("best.safetensors");
    fs::remove_file(&best).unwrap();
    for resumed_from in [17, 30] {
        let resumed = run(&stale(&out), true);
        assert_eq!(resumed.resumed_from, Some(resumed_from));
        assert!(resumed.stopped_early && resumed.steps == 30);
        assert_eq!(resumed.weights_sha256, expected.weights_sha256);
        let digest = |path: PathBuf| weights_sha256(&load_state_dict(path).unwrap().0);
        assert_eq!(digest(best.clone()), digest(whole.join("best.safetensors")));
        assert_eq!(steps(&out), [10, 30]);
    }
}

#[test]
fn checkpoints_stay_by_rule() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = TrainConfig {
        max_steps: 10,
        eval_every: 0,
        checkpoint_every: 1,
        keep_checkpoints: 2,
        keep_every: 4,
        ..watched(&out)
    };
    run(&config, false);
    assert_eq!(steps(&out), [4, 8, 9, 10]);
    let text = store(&out).load(10).unwrap().read("config.toml").unwrap();
    assert_eq!(text, b"# test");
}

/// Hears warnings.
#[derive(Default)]
struct Warnings(Vec<String>);

impl Observer for Warnings {
    fn warn(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

fn resume(config: &TrainConfig, anyway: bool, heard: &mut Warnings) -> Result<Outcome, TrainError> {
    let request = RunRequest {
        config,
        config_text: "",
        command: "",
        resume: true,
        resume_anyway: anyway,
        stop: &AtomicBool::new(false),
    };
    train(&request, heard)
}

#[test]
fn other_data_are_refused_unless_the_user_insists() {
    let dir = tempfile::tempdir().unwrap();
    let (images, out) = (dir.path().join("images"), dir.path().join("run"));
    gradus_data::make_tree("fashion-mnist-mini", &images).unwrap();
    let mut kept = Vec::new();
    for class in fs::read_dir(images.join("train")).unwrap() {
        let files = fs::read_dir(class.unwrap().path()).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .drain(10..)
            .for_each(|file| fs::remove_file(file).unwrap());
        kept.extend(files);
    }
    kept.sort();
    let config = |max_steps| TrainConfig {
        data: images.to_string_lossy().into_owned(),
        max_steps,
        eval_every: 0,
        schedule: "constant".into(),
        ..config(&out)
    };
    run(&config(2), false);
    let mut heard = Warnings::default();
    let mut refused = |max_steps| {
        let error = resume(&config(max_steps), false, &mut heard).unwrap_err();
        assert!(matches!(error, TrainError::RunChanged { .. }), "{error}");
        error.to_string()
    };
    // The first sample that is compared has the number 1.
    let first = fs::read(&kept[1]).unwrap();
    fs::copy(&kept[55], &kept[1]).unwrap();
    let message = refused(3);
    assert!(
        message.contains("1 of 32 samples compared are others: number 1"),
        "{message}"
    );
    assert!(message.contains("--resume-anyway"), "{message}");
    fs::write(&kept[1], first).unwrap();
    resume(&config(3), false, &mut Warnings::default()).unwrap();
    fs::remove_file(&kept[99]).unwrap();
    let message = refused(4);
    assert!(message.contains("had 100 samples, has 99"), "{message}");
    let resumed = resume(&config(4), true, &mut heard).unwrap();
    assert_eq!((resumed.resumed_from, resumed.steps), (Some(3), 4));
    let warned = |warning: &String| warning.contains("had 100 samples, has 99");
    assert!(heard.0.iter().any(warned), "{:?}", heard.0);
    // Now it is a run on these data.
    resume(&config(5), false, &mut Warnings::default()).unwrap();
}
