//! Checkpoints of a run: saving, finding the newest whole one, retaining.

use std::path::Path;
use std::sync::Arc;

use gradus_checkpoint::{
    CheckpointError, CheckpointStore, Content, DamageReason, Metadata, RunDir, load_state_dict,
    weights_sha256,
};
use gradus_tensor::Tensor;
use serde_json::json;

use crate::faulty::Faulty;

/// A store in which nothing fails.
pub(crate) fn sound(dir: &Path) -> CheckpointStore {
    CheckpointStore::new(dir, Arc::new(Faulty::none()))
}

/// A small checkpoint whose every file tells `mark`.
pub(crate) fn save(
    store: &CheckpointStore,
    step: u64,
    mark: i64,
) -> gradus_checkpoint::Result<gradus_checkpoint::Checkpoint> {
    let tensor = |shift: i64| Tensor::arange(mark + shift, mark + shift + 5, 1).unwrap();
    let model = vec![("fc.weight".to_owned(), tensor(0))];
    let optimizer = vec![("fc.weight.momentum".to_owned(), tensor(100))];
    store.save_training(step, &model, &optimizer, &json!({ "mark": mark }), &[])
}

/// The mark, which all three files must agree on.
pub(crate) fn mark(checkpoint: &gradus_checkpoint::Checkpoint) -> i64 {
    let first = |tensors: &[(String, Tensor)]| tensors[0].1.to_vec::<i64>().unwrap()[0];
    let mark = checkpoint.state().unwrap()["mark"].as_i64().unwrap();
    assert_eq!(first(&checkpoint.model().unwrap()), mark);
    assert_eq!(first(&checkpoint.optimizer().unwrap()), mark + 100);
    mark
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_saves_finds_and_loads() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _lock) = RunDir::create(dir.path().join("runs/a")).unwrap();
    let store = run.store();
    assert!(store.newest_whole().unwrap().checkpoint.is_none());
    for step in [9, 10, 100] {
        let saved = save(&store, step, i64::try_from(step).unwrap()).unwrap();
        assert_eq!(saved.step(), step);
    }
    assert_eq!(store.steps().unwrap(), [100, 10, 9]);
    let newest = store.newest_whole().unwrap();
    assert!(newest.damaged.is_empty());
    assert_eq!(mark(&newest.checkpoint.unwrap()), 100);
    assert_eq!(mark(&store.load(9).unwrap()), 9);
    let step = dir.path().join("runs/a/checkpoints/step-9");
    let files = [
        "manifest.json",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ];
    assert_eq!(names(&step), files);
    let (model, metadata) = load_state_dict(step.join("model.safetensors")).unwrap();
    assert_eq!(metadata["format"], "pt");
    assert_eq!(
        weights_sha256(&model),
        weights_sha256(&store.load(9).unwrap().model().unwrap())
    );
}

#[test]
fn equal_checkpoints_have_equal_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    save(&sound(a.path()), 5, 1).unwrap();
    save(&sound(b.path()), 5, 1).unwrap();
    for name in names(&a.path().join("step-5")) {
        let read = |dir: &Path| std::fs::read(dir.join("step-5").join(&name)).unwrap();
        assert_eq!(read(a.path()), read(b.path()), "{name}");
    }
}

#[test]
fn a_step_saved_again_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    save(&store, 5, 1).unwrap();
    save(&store, 5, 2).unwrap();
    assert_eq!(mark(&store.load(5).unwrap()), 2);
    assert_eq!(names(dir.path()), ["step-5"]);
}

#[test]
fn what_was_set_aside_counts_until_its_successor_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    save(&store, 5, 1).unwrap();
    std::fs::rename(dir.path().join("step-5"), dir.path().join(".old-step-5-1")).unwrap();
    assert_eq!(mark(&store.newest_whole().unwrap().checkpoint.unwrap()), 1);
    // A damaged successor does not displace it, and cleaning brings it back.
    std::fs::create_dir(dir.path().join("step-5")).unwrap();
    assert_eq!(mark(&store.newest_whole().unwrap().checkpoint.unwrap()), 1);
    sound(dir.path()).clean_leftovers().unwrap();
    assert_eq!(names(dir.path()), ["step-5"]);
    assert_eq!(mark(&store.load(5).unwrap()), 1);
}

#[test]
fn unfinished_writes_are_named_and_cleaned_and_strangers_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    save(&store, 5, 1).unwrap();
    for name in [".tmp-step-6-1", ".trash-step-2-1", "best", "step-07"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), b"mine").unwrap();
    let newest = store.newest_whole().unwrap();
    assert_eq!(newest.damaged.len(), 1);
    let message = newest.damaged[0].to_string();
    assert!(
        message.contains(".tmp-step-6-1: was never finished"),
        "{message}"
    );
    assert_eq!(store.clean_leftovers().unwrap().len(), 2);
    assert_eq!(
        names(dir.path()),
        ["best", "notes.txt", "step-07", "step-5"]
    );
}

#[test]
fn retaining_keeps_the_last_ones_and_the_named_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    for step in 1..=6 {
        save(&store, step, 0).unwrap();
    }
    assert_eq!(store.retain(2, &[2]).unwrap(), [4, 3, 1]);
    assert_eq!(store.steps().unwrap(), [6, 5, 2]);
    assert_eq!(
        store.retain(0, &[]).unwrap(),
        [5, 2],
        "the last whole one stays"
    );
    assert_eq!(names(dir.path()), ["step-6"]);
}

#[test]
fn retaining_never_removes_the_last_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    for step in 1..=4 {
        save(&sound(dir.path()), step, i64::try_from(step).unwrap()).unwrap();
    }
    for step in [3, 4] {
        std::fs::write(
            dir.path().join(format!("step-{step}/state.json")),
            "{\"mark\":9}\n",
        )
        .unwrap();
    }
    let store = sound(dir.path());
    assert_eq!(store.retain(2, &[]).unwrap(), [1]);
    assert_eq!(store.steps().unwrap(), [4, 3, 2]);
    let newest = store.newest_whole().unwrap();
    assert_eq!(
        (newest.damaged.len(), mark(&newest.checkpoint.unwrap())),
        (2, 2)
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused_before_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(&dir.path().join("c"));
    let x = Content::Bytes(b"x");
    for name in ["../x", "/x", "a/b", "", "..", "manifest.json"] {
        let error = store.save(1, &[(name, x)]).unwrap_err();
        assert!(matches!(error, CheckpointError::FileName { .. }), "{error}");
    }
    let error = store.save(1, &[("a", x), ("a", x)]).unwrap_err();
    assert!(error.to_string().ends_with("it is given twice"), "{error}");
    assert!(!dir.path().join("c").exists());
}

#[test]
fn what_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    let saved = store.save(7, &[("a", Content::Bytes(b"x"))]).unwrap();
    let error = store.load(8).unwrap_err().to_string();
    assert!(
        error.ends_with("has no checkpoint of step 8; it has 7"),
        "{error}"
    );
    let error = saved.model().unwrap_err().to_string();
    assert!(
        error.ends_with("step-7: has no file \"model.safetensors\""),
        "{error}"
    );
    assert_eq!(saved.read("a").unwrap(), b"x");
    std::fs::write(saved.path().join("a"), b"y").unwrap();
    let error = saved.read("a").unwrap_err();
    let changed = matches!(
        &error,
        CheckpointError::Damaged {
            reason: DamageReason::Digest { .. },
            ..
        }
    );
    assert!(changed, "{error}");
}

#[test]
fn a_tensor_that_cannot_be_written_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = sound(dir.path());
    let x = ("a".to_owned(), Tensor::scalar(1.0_f32).unwrap());
    let twice = [x.clone(), x];
    let files = [("m.safetensors", Content::Tensors(&twice, &Metadata::new()))];
    let error = store.save(1, &files).unwrap_err().to_string();
    assert!(
        error.contains("m.safetensors: tensor \"a\" stands twice"),
        "{error}"
    );
    assert!(names(dir.path()).is_empty());
}
