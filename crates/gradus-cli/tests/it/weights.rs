//! Files of weights in every format: inspecting, hashing, converting.

use std::fs;
use std::path::{Path, PathBuf};

use gradus_checkpoint::{Metadata, StateDict, load_weights_file, save_sharded};
use gradus_tensor::{DType, Tensor};
use serde_json::json;

use crate::program::gradus;

/// A file that PyTorch or NumPy wrote.
fn golden(name: &str) -> String {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "../gradus-checkpoint/tests/golden",
        name,
    ]
    .iter()
    .collect();
    path.to_str().unwrap().to_owned()
}

fn loaded(path: impl AsRef<Path>) -> StateDict {
    let (mut tensors, _) = load_weights_file(path).unwrap();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    tensors
}

fn folder(dir: &Path) -> StateDict {
    let x = Tensor::arange(0.0_f32, 6.0, 1.0).unwrap();
    let tensors = vec![
        ("bias".to_owned(), Tensor::scalar(3_i64).unwrap()),
        ("w.x".to_owned(), x.reshape([2, 3]).unwrap()),
        ("w.y".to_owned(), x),
    ];
    save_sharded(dir.join("model"), &tensors, &Metadata::new(), 30).unwrap();
    fs::write(dir.join("model/config.json"), "{}").unwrap();
    fs::write(dir.join("model/notes.md"), "mine").unwrap();
    tensors
}

#[test]
fn every_format_is_inspected_and_hashed() {
    let dir = tempfile::tempdir().unwrap();
    let expected = fs::read(golden("foreign.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for name in [
        "zip.pt",
        "legacy.pt",
        "training.pt",
        "stored.npz",
        "fortran.npy",
    ] {
        let path = golden(name);
        let hash = gradus(dir.path(), &["hash", &path, "--json"]).json();
        assert_eq!(
            hash["weights_sha256"], expected[name]["weights_sha256"],
            "{name}"
        );
        let seen = gradus(dir.path(), &["inspect", &path, "--json"]).json();
        let tensors = seen["tensors"].as_array().unwrap();
        let names: Vec<_> = tensors
            .iter()
            .map(|tensor| tensor["name"].clone())
            .collect();
        assert_eq!(json!(names), expected[name]["names"], "{name}");
    }
    let seen = gradus(dir.path(), &["inspect", &golden("training.pt"), "--json"]).json();
    assert_eq!(seen["metadata"]["epoch"], "3");
    let narrow = json!({ "name": "dtypes.int8", "dtype": "i8", "shape": [3] });
    let seen = gradus(dir.path(), &["inspect", &golden("zip.pt"), "--json"]).json();
    assert!(seen["tensors"].as_array().unwrap().contains(&narrow));

    folder(dir.path());
    let seen = gradus(dir.path(), &["inspect", "model", "--json"]).json();
    assert_eq!(seen["parameters"], 13);
    assert_eq!(seen["files"].as_array().unwrap().len(), 3);
    let whole = gradus(
        dir.path(),
        &["convert", "model", "whole.safetensors", "--json"],
    )
    .json();
    let hash = gradus(dir.path(), &["hash", "model", "--json"]).json();
    assert_eq!(hash["weights_sha256"], whole["weights_sha256"]);
}

#[test]
fn formats_convert_to_each_other_without_a_bit_lost() {
    let dir = tempfile::tempdir().unwrap();
    let from = golden("training.pt");
    let first = gradus(dir.path(), &["convert", &from, "a.safetensors", "--json"]).json();
    let hash = gradus(dir.path(), &["hash", &from, "--json"]).json();
    assert_eq!(first["weights_sha256"], hash["weights_sha256"]);
    assert_eq!(first["files"], json!(["a.safetensors"]));
    for (from, to) in [
        ("a.safetensors", "b.npz"),
        ("b.npz", "c"),
        ("c", "d.safetensors"),
    ] {
        let ran = gradus(dir.path(), &["convert", from, to, "--json"]).json();
        assert_eq!(ran["weights_sha256"], hash["weights_sha256"], "{to}");
    }
    // What a file of PyTorch says beside its tensors stays.
    let (_, metadata) = load_weights_file(dir.path().join("a.safetensors")).unwrap();
    assert_eq!(
        (metadata["epoch"].as_str(), metadata["format"].as_str()),
        ("3", "pt")
    );
    let plain = gradus(dir.path(), &["convert", &from, "e.npz"]);
    assert!(
        plain.out.starts_with("wrote ") && plain.out.contains("e.npz"),
        "{}",
        plain.out
    );
}

#[test]
fn a_folder_keeps_its_configuration_and_can_be_cut() {
    let dir = tempfile::tempdir().unwrap();
    let tensors = folder(dir.path());
    gradus(
        dir.path(),
        &["convert", "model", "other", "--max-shard-mb", "1"],
    )
    .done();
    assert_eq!(
        fs::read(dir.path().join("other/config.json")).unwrap(),
        b"{}"
    );
    assert!(!dir.path().join("other/notes.md").exists());
    assert_eq!(
        loaded(dir.path().join("other/model.safetensors")).len(),
        tensors.len()
    );
    // In place: three shards become one file.
    gradus(dir.path(), &["convert", "model", "model"]).done();
    assert!(dir.path().join("model/model.safetensors").exists());
    assert!(
        !dir.path()
            .join("model/model.safetensors.index.json")
            .exists()
    );
}

#[test]
fn names_dims_and_floats_change_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let words = "convert model out.safetensors --strip-prefix w. --rename ^x=fc.weight --rename y=fc.bias \
                 --transpose weight --dtype bf16 --json";
    let words: Vec<&str> = words.split_whitespace().collect();
    let ran = gradus(dir.path(), &words).json();
    assert_eq!(
        (&ran["tensors"], &ran["parameters"]),
        (&json!(2), &json!(12))
    );
    let tensors = loaded(dir.path().join("out.safetensors"));
    assert_eq!(
        (tensors[0].0.as_str(), tensors[1].0.as_str()),
        ("fc.bias", "fc.weight")
    );
    let weight = &tensors[1].1;
    assert_eq!((weight.dims(), weight.dtype()), (&[3, 2][..], DType::BF16));
    let values = weight
        .to_dtype(DType::F32)
        .unwrap()
        .to_vec::<f32>()
        .unwrap();
    assert_eq!(values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn what_cannot_be_converted_is_said() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    for (words, code, part) in [
        ("convert model out.pt", 2, "out.pt: is not written"),
        (
            "convert model out.npz --max-shard-mb 1",
            2,
            "out.npz is one file",
        ),
        (
            "convert model out --rename q=k",
            2,
            "no tensor's name contains \"q\"",
        ),
        (
            "convert model out --rename ^x=k",
            2,
            "no tensor's name begins with \"x\"",
        ),
        (
            "convert model out --strip-prefix model.",
            2,
            "--strip-prefix model.",
        ),
        (
            "convert model out --transpose bias",
            2,
            "no matrix's name contains \"bias\"",
        ),
        (
            "convert model out --rename w.x=w.y",
            1,
            "\"w.y\" stands twice",
        ),
        ("convert model out.npz --dtype bf16", 1, "NumPy has no bf16"),
        ("convert nowhere out", 1, "nowhere"),
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        let ran = gradus(dir.path(), &words);
        assert!(ran.refused(code).contains(part), "{words:?}: {}", ran.err);
    }
    for words in [
        "--rename q",
        "--rename =q",
        "--dtype i64",
        "--max-shard-mb 0",
    ] {
        let words = format!("convert model out {words}");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(gradus(dir.path(), &words).code, 2, "{words:?}");
    }
    assert!(!dir.path().join("out.npz").exists());
    let module = golden("module.pt");
    for name in ["inspect", "hash"] {
        let ran = gradus(dir.path(), &[name, &module]);
        assert!(
            ran.refused(1)
                .contains("asks for \"torch.nn.modules.linear.Linear\"")
        );
    }
}
