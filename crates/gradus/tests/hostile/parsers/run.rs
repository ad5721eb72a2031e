//! Files of a run: its configuration, its logs, its checkpoints.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gradus::checkpoint::{CheckpointStore, Content, RealFileSystem, RunDir};
use gradus::data::Image;
use gradus::prelude::{RunRequest, Silent, Tensor, TrainConfig};
use gradus::train::config::{KEYS, MAX_CONFIG_BYTES, cut_lines};
use gradus::train::{events, jsonl, train};

use super::said;
use crate::making::{events_repaired, manifest_signed};
use crate::parser::{NamedBytes, PLAIN, Parser, golden, put};

pub(crate) const CONFIG: Parser = Parser {
    name: "config",
    file: "config.toml",
    open: |dir| {
        let path = dir.join("config.toml");
        // As the command does, which reads no larger file.
        let len = std::fs::metadata(&path).map_err(said)?.len();
        if len > MAX_CONFIG_BYTES {
            return Err(format!("{len} bytes are more than {MAX_CONFIG_BYTES}"));
        }
        let text = std::fs::read_to_string(path).map_err(said)?;
        let config: TrainConfig = toml::from_str(&text).map_err(|e| cut_lines(&e.to_string()))?;
        config.validate().map_err(said)?;
        // A configuration that is taken can be written and read again, and is the same then.
        let written = toml::to_string(&config).map_err(said)?;
        let again: TrainConfig = toml::from_str(&written).map_err(said)?;
        assert_eq!(toml::to_string(&again).as_ref(), Ok(&written)); // as text: a transform's NaN is not equal to itself
        Ok(())
    },
    seeds: || {
        assert!(KEYS.len() > 50);
        vec![
            toml::to_string(&TrainConfig::default())
                .unwrap()
                .into_bytes(),
        ]
    },
    words: &[
        "[[param_groups]]\n",
        "[[transforms]]\nname = \"Resize\"\n",
        "[architecture]\n",
        "epochs = ",
        "lr = nan\n",
        "lr = -inf\n",
        "betas = [",
        "0x7fffffffffffffff",
        "1979-05-27",
        "\"\"\"",
        "'''",
        "a.b.c.",
        "{",
        "[",
        "=",
        "\n",
    ],
    ..PLAIN
};

pub(crate) const EVENTS: Parser = Parser {
    name: "events",
    file: "events.out.tfevents.1.x",
    open: |dir| {
        let read = events::read(dir.join("events.out.tfevents.1.x")).map_err(said)?;
        assert!(events::scalars(&read).len() <= 1 << 20);
        Ok(())
    },
    seeds: || vec![golden("gradus-train/tests/golden/torch.tfevents")],
    words: &[
        "brain.Event:2",
        "\x0a\x7f",
        "\x1a\x03",
        "\x7f\x7f\x7f\x7f\x7f",
    ],
    ..PLAIN
};

/// Records whose checksums fit.
pub(crate) const EVENT_RECORDS: Parser = Parser {
    name: "event-records",
    pack: Some(events_repaired),
    ..EVENTS
};

pub(crate) const METRICS: Parser = Parser {
    name: "metrics",
    file: "metrics.jsonl",
    open: |dir| {
        let log = jsonl::read(dir.join("metrics.jsonl")).map_err(said)?;
        assert!(log.series("train", "loss").len() <= log.records.len());
        Ok(())
    },
    words: &[
        "\"kind\":",
        "\"step\":",
        "\"epoch\":",
        "\"loss\":",
        "_nonfinite",
        "{",
        "}",
        "\n",
        ",",
    ],
    ..PLAIN
};

/// The files of a checkpoint with this state, by their paths in a store's directory.
fn checkpoint(state: &[u8]) -> Vec<NamedBytes> {
    let dir = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(dir.path(), Arc::new(RealFileSystem));
    let weights = [("w".to_owned(), Tensor::arange(0_i64, 9, 1).unwrap())];
    let metadata = Default::default();
    let tensors = Content::Tensors(&weights, &metadata);
    let files = [
        ("model.safetensors", tensors),
        ("optimizer.safetensors", tensors),
        ("state.json", Content::Bytes(state)),
    ];
    store.save(3, &files).unwrap();
    let entries = std::fs::read_dir(dir.path().join("step-3")).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        (format!("step-3/{name}"), std::fs::read(&path).unwrap())
    };
    let mut files: Vec<NamedBytes> = entries.map(read).collect();
    files.sort();
    files
}

pub(crate) const MANIFEST: Parser = Parser {
    name: "manifest",
    file: "step-3/manifest.json",
    open: |dir| {
        let store = CheckpointStore::new(dir, Arc::new(RealFileSystem));
        let mut newest = store.newest_whole().map_err(said)?;
        match newest.checkpoint {
            Some(checkpoint) => checkpoint.state().map(drop).map_err(said),
            None => Err(newest
                .damaged
                .pop()
                .map_or("nothing".into(), |d| d.to_string())),
        }
    },
    seeds: || vec![checkpoint(b"{}").swap_remove(0).1],
    beside: || checkpoint(b"{}").split_off(1),
    words: &[
        "\"format_version\": 1",
        "\"files\": [",
        "\"name\": \"../x\"",
        "\"name\": \"state.json\"",
        "\"bytes\": ",
        "\"sha256\": \"",
        "[",
        "{",
        "}",
        ",",
    ],
    ..PLAIN
};

/// Manifests whose own digest fits.
pub(crate) const MANIFEST_SIGNED: Parser = Parser {
    name: "manifest-signed",
    pack: Some(manifest_signed),
    ..MANIFEST
};

/// A run of two steps on six small images.
fn tiny_run(dir: &Path, max_steps: u64) -> TrainConfig {
    let text = |path: &str| dir.join(path).to_string_lossy().into_owned();
    TrainConfig {
        model: "mlp".into(),
        data: text("data"),
        out: text("run"),
        max_steps,
        batch_size: 2,
        log_every: 1,
        eval_every: 0,
        checkpoint_every: 1,
        workers: 0,
        transforms: vec![serde_json::from_str("{\"name\": \"ToTensor\"}").unwrap()],
        ..TrainConfig::default()
    }
}

fn run(config: &TrainConfig, resume: bool) -> Result<u64, String> {
    let request = RunRequest {
        config,
        config_text: "",
        command: "",
        resume,
        // The checkpoint was made in another folder.
        resume_anyway: resume,
        stop: &AtomicBool::new(false),
    };
    let outcome = train(&request, &mut Silent).map_err(said)?;
    Ok(outcome.steps)
}

/// The images, and a checkpoint after the first of two steps: its state first.
fn begun() -> Vec<NamedBytes> {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (class, level) in [
        ("a", 10),
        ("b", 90),
        ("a", 30),
        ("b", 70),
        ("a", 50),
        ("b", 60),
    ] {
        let image = Image::new(4, 4, 1, vec![level; 16]).unwrap();
        let path = format!("data/train/{class}/{level}.png");
        put(&dir.path().join(&path), &image.encode_png().unwrap());
        files.push((path.clone(), std::fs::read(dir.path().join(&path)).unwrap()));
    }
    run(&tiny_run(dir.path(), 2), false).unwrap();
    for name in [
        "manifest.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ] {
        let path = format!("run/checkpoints/step-1/{name}");
        files.push((path.clone(), std::fs::read(dir.path().join(&path)).unwrap()));
    }
    files.reverse();
    files
}

/// What a run continues from, in a checkpoint whose digests fit.
pub(crate) const STATE: Parser = Parser {
    name: "state",
    file: "run/checkpoints/step-1/state.json",
    open: |dir| {
        sign(&dir.join("run/checkpoints"))?;
        let steps = run(&tiny_run(dir, 2), true)?;
        assert!(steps <= 1 << 32 || steps == u64::MAX, "{steps} steps");
        Ok(())
    },
    seeds: || vec![begun().swap_remove(0).1],
    beside: || begun().split_off(1),
    words: &[
        "\"step\":",
        "\"batch\":",
        "\"epoch\":",
        "\"micro\":",
        "\"schedule\":[",
        "null",
        "{",
        "[",
    ],
    ..PLAIN
};

/// Commits the checkpoint of step 1 again with the files as they are.
fn sign(checkpoints: &Path) -> Result<(), String> {
    let step = checkpoints.join("step-1");
    let names = ["model.safetensors", "optimizer.safetensors", "state.json"];
    let bytes = names.map(|name| std::fs::read(step.join(name)).unwrap_or_default());
    let files: Vec<(&str, Content<'_>)> = names
        .into_iter()
        .zip(bytes.iter().map(|bytes| Content::Bytes(bytes)))
        .collect();
    for name in ["metrics.jsonl", "model.safetensors"] {
        let _ = std::fs::remove_file(checkpoints.with_file_name(name));
    }
    let _ = std::fs::remove_dir_all(checkpoints.join("step-2"));
    let store = RunDir::new(checkpoints.parent().unwrap()).store();
    store.save(1, &files).map(drop).map_err(said)
}
