//! Folders of weights: which file is taken, shards that an index puts together, and every way in which it can be bad.

use std::fs;
use std::path::Path;

use gradus_checkpoint::{
    CheckpointError, FolderFault, FormatFault, Metadata, WeightsFolder, cast_floats,
    load_weights_file, save_sharded, save_state_dict, weights_sha256,
};
use gradus_tensor::{DType, Tensor};

fn tensor(value: f32) -> Tensor {
    Tensor::from_slice(&[value, -value], [2]).unwrap()
}

/// A file of tensors of these names; the values tell them apart.
fn save(dir: &Path, file: &str, names: &[(&str, f32)]) {
    let tensors: Vec<_> = names
        .iter()
        .map(|&(name, value)| (name.to_owned(), tensor(value)))
        .collect();
    save_state_dict(dir.join(file), &tensors, &Metadata::new()).unwrap();
}

/// Two shards with `a` and `b` in the first and `c` in the second, and this index.
fn sharded(index: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "one.safetensors", &[("a", 1.0), ("b", 2.0)]);
    save(dir.path(), "two.safetensors", &[("c", 3.0)]);
    fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
    dir
}

const GOOD: &str = r#"{"metadata":{"total_size":24},"weight_map":
    {"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"}}"#;

/// What is wrong with the folder; the message names it.
#[track_caller]
fn fault(dir: &Path) -> FolderFault {
    let error = WeightsFolder::open(dir).expect_err("accepted");
    let text = error.to_string();
    assert!(text.starts_with(&dir.display().to_string()), "{text}");
    match error {
        CheckpointError::Folder { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

macro_rules! is {
    ($fault:expr, $pattern:pat $(if $guard:expr)?) => {{
        let fault = $fault;
        assert!(matches!(&fault, $pattern $(if $guard)?), "{fault:?}");
    }};
}

#[test]
fn shards_load_as_one() {
    let dir = sharded(GOOD);
    let mut folder = WeightsFolder::open(dir.path()).unwrap();
    let names: Vec<_> = folder.tensors().into_iter().map(|t| t.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(folder.parameters(), 6);
    assert_eq!(
        folder.files(),
        ["one.safetensors", "two.safetensors"].map(|name| dir.path().join(name))
    );
    let (tensors, metadata) = folder.load_all().unwrap();
    assert_eq!(tensors[2].1.to_vec::<f32>().unwrap(), [3.0, -3.0]);
    assert_eq!(metadata["format"], "pt");
    assert_eq!(folder.weights_sha256().unwrap(), weights_sha256(&tensors));
}

#[test]
fn one_whole_file_is_preferred_and_a_lone_file_is_found() {
    let dir = sharded(GOOD);
    save(dir.path(), "model.safetensors", &[("whole", 1.0)]);
    let (tensors, _) = WeightsFolder::open(dir.path()).unwrap().load_all().unwrap();
    assert_eq!(tensors[0].0, "whole");

    let lone = tempfile::tempdir().unwrap();
    save(lone.path(), "adapter.safetensors", &[("x", 1.0)]);
    for other in [
        "training_args.bin",
        "optimizer.pt",
        "rng_state_0.pth",
        "config.json",
    ] {
        fs::write(lone.path().join(other), "not weights").unwrap();
    }
    fs::create_dir(lone.path().join("folder.pt")).unwrap();
    let folder = WeightsFolder::open(lone.path()).unwrap();
    assert_eq!(folder.files(), [lone.path().join("adapter.safetensors")]);
    let (alone, _) = load_weights_file(&folder.files()[0]).unwrap();
    assert_eq!(alone[0].0, "x");
}

#[test]
#[cfg(unix)]
fn files_may_be_links_as_in_the_cache_of_hugging_face() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (dir.path().join("blobs"), dir.path().join("snapshot"));
    fs::create_dir(&blobs).unwrap();
    fs::create_dir(&snapshot).unwrap();
    save(&blobs, "0123", &[("x", 1.0)]);
    std::os::unix::fs::symlink("../blobs/0123", snapshot.join("model.safetensors")).unwrap();
    let (tensors, _) = WeightsFolder::open(&snapshot).unwrap().load_all().unwrap();
    assert_eq!(tensors[0].0, "x");
}

#[test]
fn a_folder_without_weights() {
    let dir = tempfile::tempdir().unwrap();
    is!(fault(dir.path()), FolderFault::NoWeights);
    save(dir.path(), "x.safetensors", &[("x", 1.0)]);
    fs::write(dir.path().join("y.npz"), "").unwrap();
    is!(
        fault(dir.path()),
        FolderFault::Ambiguous { files } if files == &["x.safetensors", "y.npz"]
    );
    is!(
        fault(&dir.path().join("x.safetensors")),
        FolderFault::NotAFolder
    );
    let missing = WeightsFolder::open(dir.path().join("none")).unwrap_err();
    assert!(matches!(missing, CheckpointError::Io { .. }), "{missing}");
}

#[test]
fn an_index_that_is_none() {
    for index in [
        "",
        "[]",
        "{}",
        r#"{"weight_map":[]}"#,
        r#"{"weight_map":{"a":1}}"#,
        r#"{"weight_map":{"a":"x""#,
        &"[".repeat(1_000_000),
    ] {
        is!(fault(sharded(index).path()), FolderFault::Index { .. });
    }
    let huge = sharded(GOOD);
    let path = huge.path().join("model.safetensors.index.json");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(1 << 40).unwrap(); // sparse
    is!(
        fault(huge.path()),
        FolderFault::IndexTooLarge { bytes, .. } if *bytes == 1 << 40
    );
}

#[test]
fn an_index_that_names_a_tensor_twice() {
    let index = r#"{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}"#;
    is!(
        fault(sharded(index).path()),
        FolderFault::IndexDuplicate { tensor, .. } if tensor == "a"
    );
}

#[test]
fn an_index_that_names_a_file_outside() {
    for file in [
        "../one.safetensors",
        "/etc/passwd",
        "sub/one",
        "..",
        "",
        ".hidden",
        "c:one",
    ] {
        let index = GOOD.replace("two.safetensors", file);
        let dir = sharded(&index);
        is!(
            fault(dir.path()),
            FolderFault::IndexOutside { tensor, file: named, .. } if tensor == "c" && named == file
        );
    }
}

#[test]
fn a_shard_that_is_missing() {
    let dir = sharded(GOOD);
    fs::remove_file(dir.path().join("two.safetensors")).unwrap();
    is!(
        fault(dir.path()),
        FolderFault::MissingShard { file, tensor, .. } if file == "two.safetensors" && tensor == "c"
    );
}

#[test]
fn a_shard_that_is_damaged_is_named() {
    let dir = sharded(GOOD);
    fs::write(dir.path().join("two.safetensors"), [0xff; 64]).unwrap();
    let error = WeightsFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, CheckpointError::Format { .. }), "{error}");
    assert!(error.to_string().contains("two.safetensors: "), "{error}");
}

#[test]
fn tensors_that_are_elsewhere_nowhere_or_unlisted() {
    let moved = GOOD.replace(r#""b":"one"#, r#""b":"two"#);
    is!(
        fault(sharded(&moved).path()),
        FolderFault::WrongShard { tensor, expected, found, .. }
            if (tensor.as_str(), expected.as_str(), found.as_str()) == ("b", "two.safetensors", "one.safetensors")
    );
    let more = GOOD.replace(r#"{"a""#, r#"{"d":"one.safetensors","a""#);
    is!(
        fault(sharded(&more).path()),
        FolderFault::MissingTensor { tensor, file, .. } if tensor == "d" && file == "one.safetensors"
    );
    let less = GOOD.replace(r#""b":"one.safetensors","#, "");
    is!(
        fault(sharded(&less).path()),
        FolderFault::Unlisted { tensor, file, .. } if tensor == "b" && file == "one.safetensors"
    );
}

#[test]
fn a_tensor_in_two_shards() {
    let dir = sharded(GOOD);
    save(dir.path(), "two.safetensors", &[("c", 3.0), ("a", 9.0)]);
    is!(
        fault(dir.path()),
        FolderFault::InTwoShards { tensor, first, second }
            if (tensor.as_str(), first.as_str(), second.as_str()) == ("a", "one.safetensors", "two.safetensors")
    );
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn shards_are_cut_by_size_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [("d", 1), ("a", 2), ("c", 9), ("b", 2), ("e", 0), ("f", 4)];
    let tensors: Vec<_> = sizes
        .iter()
        .map(|&(name, n)| (name.to_owned(), Tensor::full([n], 1.5_f32).unwrap()))
        .collect();
    let metadata = Metadata::from([("made by".to_owned(), "a test".to_owned())]);
    // Four floats a shard: a b | c (too large for any) | d e | f.
    let files = save_sharded(dir.path(), &tensors, &metadata, 16).unwrap();
    let names: Vec<String> = (1..=4)
        .map(|i| format!("model-{i:05}-of-00004.safetensors"))
        .collect();
    assert_eq!(
        files,
        names.iter().map(|n| dir.path().join(n)).collect::<Vec<_>>()
    );
    let held = |file: usize| -> Vec<String> {
        let (tensors, _) = load_weights_file(&files[file]).unwrap();
        tensors.into_iter().map(|(name, _)| name).collect()
    };
    for (file, expected) in [&["a", "b"][..], &["c"], &["d", "e"], &["f"]]
        .into_iter()
        .enumerate()
    {
        let mut names = held(file);
        names.sort();
        assert_eq!(names, expected);
    }
    let index = fs::read(dir.path().join("model.safetensors.index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["metadata"]["total_size"], 4 * 18);
    assert_eq!(index["weight_map"]["c"], names[1]);
    let (loaded, found) = WeightsFolder::open(dir.path()).unwrap().load_all().unwrap();
    assert_eq!(weights_sha256(&loaded), weights_sha256(&tensors));
    assert_eq!(found["made by"], "a test");
}

#[test]
fn saving_again_leaves_nothing_of_the_last_time() {
    let dir = tempfile::tempdir().unwrap();
    let all = [("a".to_owned(), tensor(1.0)), ("b".to_owned(), tensor(2.0))];
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    save_sharded(dir.path(), &all, &Metadata::new(), u64::MAX).unwrap();
    assert_eq!(names_in(dir.path()), ["config.json", "model.safetensors"]);
    save_sharded(dir.path(), &all, &Metadata::new(), 0).unwrap();
    let sharded = names_in(dir.path());
    assert_eq!(sharded.len(), 4, "{sharded:?}");
    assert!(!sharded.contains(&"model.safetensors".to_owned()));
    save_sharded(dir.path(), &all[..1], &Metadata::new(), 0).unwrap();
    assert_eq!(names_in(dir.path()), ["config.json", "model.safetensors"]);
    let (loaded, _) = WeightsFolder::open(dir.path()).unwrap().load_all().unwrap();
    assert_eq!(loaded.len(), 1);

    let twice = [("a".to_owned(), tensor(1.0)), ("a".to_owned(), tensor(2.0))];
    let error = save_sharded(dir.path(), &twice, &Metadata::new(), 0).unwrap_err();
    let CheckpointError::Format { fault, .. } = error else {
        panic!("{error}")
    };
    is!(fault, FormatFault::DuplicateName { tensor } if tensor == "a");
    assert_eq!(names_in(dir.path()), ["config.json", "model.safetensors"]);
    save_sharded(dir.path(), &[], &Metadata::new(), 0).unwrap();
    assert!(
        WeightsFolder::open(dir.path())
            .unwrap()
            .tensors()
            .is_empty()
    );
}

#[test]
fn casting_rounds_keeps_infinities_and_refuses_overflow() {
    let values = [1.0_f32 + 1.0 / 1024.0, -0.0, f32::INFINITY, 65_519.0];
    let all = [
        ("w".to_owned(), Tensor::from_slice(&values, [4]).unwrap()),
        ("n".to_owned(), Tensor::scalar(7_i64).unwrap()),
    ];
    let half = cast_floats(&all, DType::F16).unwrap();
    assert_eq!(
        (half[0].1.dtype(), half[1].1.dtype()),
        (DType::F16, DType::I64)
    );
    let back = half[0]
        .1
        .to_dtype(DType::F32)
        .unwrap()
        .to_vec::<f32>()
        .unwrap();
    assert_eq!(back, [values[0], -0.0, f32::INFINITY, 65_504.0]);
    let brain = cast_floats(&all, DType::BF16).unwrap();
    let back = brain[0]
        .1
        .to_dtype(DType::F32)
        .unwrap()
        .to_vec::<f32>()
        .unwrap();
    assert_eq!(back[0], 1.0, "8 bits of mantissa");
    let double = [("w".to_owned(), Tensor::scalar(1e300_f64).unwrap())];
    let error = cast_floats(&double, DType::F32).unwrap_err().to_string();
    assert!(error.contains("\"w\": 1e300 does not fit f32"), "{error}");
    assert!(cast_floats(&all, DType::I64).is_err());
}
