//! Checkpoints that were damaged: named before the first step, passed over, and the run goes on from the one before to the same bits.

use std::fs;
use std::path::Path;

use crate::program::{command, end_of, gradus, train, train_words, with_tree};

/// Continues the run to its end: the step it went on from, the digest, and what was said.
fn resume(dir: &Path) -> (serde_json::Value, String) {
    let words = train_words("--out run --checkpoint-every 2 --max-steps 10 --resume");
    let words: Vec<&str> = words
        .into_iter()
        .filter(|word| *word != "--quiet")
        .collect();
    let ran = end_of(command(dir, &words));
    (ran.json(), ran.err)
}

/// Puts the run back as it was after six steps.
fn restore(dir: &Path) {
    let run = dir.join("run");
    if run.exists() {
        fs::remove_dir_all(&run).unwrap();
    }
    copy_dir(&dir.join("saved"), &run);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, to: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(to).unwrap();
}

/// A way to damage the newest checkpoint, given the one before and it.
type Damage = (&'static str, fn(&Path, &Path), &'static str);

const DAMAGES: [Damage; 8] = [
    (
        "a bit of the weights",
        |_, new| flip(&new.join("model.safetensors"), 12_345),
        "model.safetensors",
    ),
    (
        "a bit of the slots",
        |_, new| flip(&new.join("optimizer.safetensors"), 99_999),
        "optimizer.safetensors",
    ),
    (
        "a bit of the state",
        |_, new| flip(&new.join("state.json"), 40),
        "state.json",
    ),
    (
        "a bit of the manifest",
        |_, new| flip(&new.join("manifest.json"), 77),
        "manifest",
    ),
    (
        "weights cut",
        |_, new| cut(&new.join("model.safetensors"), 1000),
        "model.safetensors",
    ),
    (
        "weights of another step",
        |old, new| {
            fs::copy(old.join("model.safetensors"), new.join("model.safetensors")).unwrap();
        },
        "model.safetensors",
    ),
    (
        "two files swapped",
        |_, new| {
            let [a, b] = ["model.safetensors", "optimizer.safetensors"].map(|name| new.join(name));
            let bytes = fs::read(&a).unwrap();
            fs::copy(&b, &a).unwrap();
            fs::write(&b, bytes).unwrap();
        },
        "model.safetensors",
    ),
    (
        "all of another step",
        |old, new| {
            fs::remove_dir_all(new).unwrap();
            copy_dir(old, new);
        },
        "step 4",
    ),
];

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_goes_on_to_the_same_bits() {
    let dir = with_tree();
    let whole = train(dir.path(), "--out whole --max-steps 10");
    train(dir.path(), "--out run --checkpoint-every 2 --max-steps 6");
    fs::rename(dir.path().join("run"), dir.path().join("saved")).unwrap();
    for (what, damage, named) in DAMAGES {
        restore(dir.path());
        let checkpoints = dir.path().join("run/checkpoints");
        damage(&checkpoints.join("step-4"), &checkpoints.join("step-6"));
        let (rest, said) = resume(dir.path());
        assert_eq!(rest["resumed_from"], 4, "{what}: {said}");
        assert_eq!(rest["weights_sha256"], whole["weights_sha256"], "{what}");
        let line = said.lines().find(|line| line.contains("passed over"));
        let line = line.unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(
            line.contains("step-6") && line.contains(named),
            "{what}: {line}"
        );
    }
}

#[test]
fn a_run_too_large_for_the_memory_that_it_may_take_is_refused() {
    let dir = with_tree();
    let ran = gradus(dir.path(), &train_words("--out run --max-memory 1"));
    let message = ran.refused(1);
    assert!(
        message.contains("the run would take about") && message.contains("max_memory allows 1"),
        "{message}"
    );
}
