//! Checkpoints of every released format version stay readable: each has a committed sample, with which a run goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gradus_checkpoint::{CHECKPOINT_VERSION, CheckpointStore, RealFileSystem, weights_sha256};
use gradus_train::config::TrainConfig;

use crate::{config, run};

/// What a sample must give, whatever machine wrote it.
struct Sample {
    version: u64,
    step: u64,
    weights_sha256: &'static str,
}

const SAMPLES: [Sample; 1] = [Sample {
    version: 1,
    step: 12,
    weights_sha256: "fd1e982503e2f96ad266b6f43df9fb0104a8380577b838b67362ed167144d50b",
}];

/// The run of the samples: a language model of a few thousand parameters with everything that a checkpoint can hold.
fn sampled(out: &Path) -> TrainConfig {
    let architecture = [
        ("n_layer", 1),
        ("n_head", 2),
        ("n_embd", 8),
        ("n_inner", 16),
    ];
    TrainConfig {
        train_file: "tests/golden/checkpoints/text.txt".into(),
        tokenizer: "char".into(),
        block_size: 16,
        batch_size: 2,
        accumulate: 2,
        epochs: 0,
        max_steps: 16,
        eval_every: 1,
        schedule: "plateau".into(),
        ema_decay: 0.9,
        keep_best: true,
        log_every: 5,
        checkpoint_every: 4,
        architecture: architecture
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into(),
        transforms: Vec::new(),
        data: String::new(),
        out: config(out).out,
        ..TrainConfig::of_task("language-model")
    }
}

fn sample(version: u64) -> PathBuf {
    format!("tests/golden/checkpoints/v{version}").into()
}

#[test]
fn every_version_has_a_sample() {
    let versions: Vec<u64> = SAMPLES.iter().map(|sample| sample.version).collect();
    let all: Vec<u64> = (1..=CHECKPOINT_VERSION).collect();
    assert_eq!(
        versions, all,
        "a new version needs a sample, an old one keeps its own"
    );
}

#[test]
fn samples_are_read_and_gone_on_with() {
    for expected in SAMPLES {
        let dir = tempfile::tempdir().unwrap();
        let (out, name) = (dir.path().join("run"), format!("step-{}", expected.step));
        let target = out.join("checkpoints").join(&name);
        fs::create_dir_all(&target).unwrap();
        for entry in fs::read_dir(sample(expected.version).join(&name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
        }
        let store = CheckpointStore::new(out.join("checkpoints"), Arc::new(RealFileSystem));
        let checkpoint = store.load(expected.step).unwrap();
        assert_eq!(checkpoint.manifest().format_version, expected.version);
        assert_eq!(
            weights_sha256(&checkpoint.model().unwrap()),
            expected.weights_sha256
        );
        let outcome = run(&sampled(&out), true);
        assert_eq!(outcome.resumed_from, Some(expected.step));
        assert_eq!(outcome.steps, 16);
        assert!(out.join("best.safetensors").exists());
    }
}

/// With `GRADUS_WRITE_SAMPLE` set, as is done once when a version is new, it writes the sample first.
#[test]
fn the_sample_of_this_version_is_what_this_program_writes() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    run(
        &TrainConfig {
            max_steps: 12,
            ..sampled(&out)
        },
        false,
    );
    let written = out.join("checkpoints/step-12");
    let kept = sample(CHECKPOINT_VERSION).join("step-12");
    if std::env::var_os("GRADUS_WRITE_SAMPLE").is_some() {
        fs::create_dir_all(&kept).unwrap();
        for entry in fs::read_dir(&written).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, kept.join(path.file_name().unwrap())).unwrap();
        }
    }
    // The same files with the same tensors; their bits may be another machine's.
    let store = |dir: &Path| CheckpointStore::new(dir, Arc::new(RealFileSystem));
    let ours = store(&out.join("checkpoints")).load(12).unwrap();
    let theirs = store(&sample(CHECKPOINT_VERSION)).load(12).unwrap();
    let names = |files: &[gradus_checkpoint::FileRecord]| -> Vec<String> {
        files.iter().map(|file| file.name.clone()).collect()
    };
    assert_eq!(
        names(&ours.manifest().files),
        names(&theirs.manifest().files)
    );
    for file in [
        "model.safetensors",
        "optimizer.safetensors",
        "best.safetensors",
    ] {
        let shapes = |checkpoint: &gradus_checkpoint::Checkpoint| {
            let (tensors, _) = checkpoint.tensors(file).unwrap();
            gradus_checkpoint::shapes(&tensors)
        };
        assert_eq!(shapes(&ours), shapes(&theirs), "{file}");
    }
}
