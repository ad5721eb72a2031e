//! `gradus op list`, `gradus op run`, `gradus gradcheck`.

use std::path::Path;

use gradus_checkpoint::{Metadata, load_state_dict, save_state_dict};
use gradus_tensor::Tensor;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ran, gradus};

fn folder_with(tensors: &[(&str, Tensor)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tensors: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(name, x)| ((*name).to_owned(), x.clone()))
        .collect();
    save_state_dict(
        folder.path().join("in.safetensors"),
        &tensors,
        &Metadata::new(),
    )
    .unwrap();
    folder
}

fn op(folder: &Path, name: &str, attrs: &str, more: &[&str]) -> Ran {
    let words = [
        "op",
        "run",
        name,
        "--attrs",
        attrs,
        "--inputs",
        "in.safetensors",
        "--output",
        "out.safetensors",
    ];
    gradus(folder, &[&words[..], more].concat())
}

fn values(folder: &Path, name: &str) -> Vec<f64> {
    let (tensors, _) = load_state_dict(folder.join("out.safetensors")).unwrap();
    let (_, found) = tensors.iter().find(|(n, _)| n == name).unwrap();
    found.to_vec::<f64>().unwrap()
}

fn vector(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, values.len()).unwrap()
}

#[test]
fn list_has_a_line_for_each_op() {
    let ran = gradus(Path::new("."), &["op", "list", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let clamp = lines.iter().find(|line| line["op"] == "clamp").unwrap();
    assert_eq!(clamp["inputs"], json!(["x"]));
    assert_eq!(clamp["attrs"]["min"]["type"], "float");
    assert_eq!(clamp["attrs"]["min"]["default"], Value::Null);
    assert_eq!(clamp["differentiable"], true);
}

#[test]
fn run_computes_forward_and_gradients() {
    let folder = folder_with(&[
        ("x", vector(&[1.0, 2.0])),
        ("y", vector(&[5.0, -3.0])),
        ("grad_out", vector(&[1.0, 10.0])),
    ]);
    let answer = op(folder.path(), "mul", "{}", &["--grad", "--json"]).json();
    assert_eq!(answer, json!({ "op": "mul", "ok": true, "error": null }));
    assert_eq!(values(folder.path(), "out"), [5.0, -6.0]);
    assert_eq!(values(folder.path(), "grad.x"), [5.0, -30.0]);
    assert_eq!(values(folder.path(), "grad.y"), [1.0, 20.0]);
}

#[test]
fn run_takes_attributes_and_refuses_what_makes_no_sense() {
    let folder = folder_with(&[("x", vector(&[-3.0, 0.5, 3.0]))]);
    op(folder.path(), "clamp", r#"{"min": -1, "max": "inf"}"#, &[]).json();
    assert_eq!(values(folder.path(), "out"), [-1.0, 0.5, 3.0]);
    for (name, attrs, said) in [
        ("clamp", r#"{"low": 1}"#, "attributes are"),
        ("clamp", r#"{"min": "wide"}"#, "must be float"),
        ("mul", "{}", "y: this input must be given"),
        ("softmax", r#"{"dim": 3}"#, "dim 3"),
    ] {
        let ran = op(folder.path(), name, attrs, &[]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let answer: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(answer["ok"], false);
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(said), "{error}");
    }
    let unknown = op(folder.path(), "tanhh", "{}", &[]);
    assert!(unknown.refused(2).contains("did you mean \"tanh\"?"));
    let bad = op(folder.path(), "tanh", "[1]", &[]);
    assert!(bad.refused(2).contains("--attrs"));
    let lost = gradus(
        folder.path(),
        &[
            "op",
            "run",
            "tanh",
            "--inputs",
            "lost.safetensors",
            "--output",
            "o.safetensors",
        ],
    );
    assert!(lost.refused(1).contains("lost.safetensors"));
}

#[test]
fn gradcheck_says_what_it_checked() {
    let ran = gradus(
        Path::new("."),
        &[
            "gradcheck",
            "--op",
            "tanh",
            "--op",
            "sum",
            "--cases",
            "2",
            "--json",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.out);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["op"], "tanh");
    for line in lines {
        assert_eq!(line["ok"], true);
        assert_eq!(line["second_order"], "checked");
        assert!(line["layouts"].as_u64().unwrap() >= 7, "{line}");
        assert!(line["max_error"].as_f64().unwrap() < 1e-7, "{line}");
    }
}
