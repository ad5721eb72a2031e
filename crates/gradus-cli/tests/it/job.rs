//! The whole job: data, training, scoring, predicting, inspecting, hashing, with the JSON that scripts read.

use std::fs;

use serde_json::{Value, json};

use crate::program::{gradus, train, with_tree, write};

/// The fields are there.
#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} in {value}");
    }
}

#[test]
fn a_run_is_trained_into_its_directory() {
    let dir = with_tree();
    let trained = train(dir.path(), "--model mlp --checkpoint-every 5 --out run");
    has(
        &trained,
        &[
            "run",
            "steps",
            "epochs",
            "train_loss",
            "eval",
            "seconds",
            "weights_sha256",
            "resumed_from",
        ],
    );
    assert_eq!(
        (
            &trained["steps"],
            &trained["epochs"],
            &trained["resumed_from"]
        ),
        (&json!(12), &json!(2), &Value::Null)
    );
    assert_eq!(trained["run"], "run");
    has(
        &trained["eval"],
        &[
            "loss",
            "accuracy",
            "precision_macro",
            "recall_macro",
            "f1_macro",
            "examples",
            "classes",
            "confusion",
        ],
    );
    let run = dir.path().join("run");
    for file in [
        "config.toml",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "labels.txt",
        "checkpoints/step-12",
    ] {
        assert!(run.join(file).exists(), "{file}");
    }
    assert_eq!(
        fs::read_to_string(run.join("labels.txt")).unwrap(),
        "ant\nbee\ncat\n"
    );
    let events = fs::read_dir(&run).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("events.out.tfevents.")
    });
    assert_eq!(events.count(), 1);
}

#[test]
fn a_run_is_scored_and_hashed() {
    let dir = with_tree();
    let trained = train(dir.path(), "--model mlp --max-steps 3 --out run");
    let eval = gradus(dir.path(), &["eval", "run", "--json"]).json();
    assert_eq!(eval, trained["eval"], "the saved model scores the same");
    assert_eq!(
        (&eval["examples"], &eval["classes"]),
        (&json!(6), &json!(["ant", "bee", "cat"]))
    );
    assert_eq!(
        gradus(
            dir.path(),
            &[
                "eval",
                "run",
                "--data",
                "tree",
                "--json",
                "--workers",
                "2",
                "--threads",
                "2"
            ]
        )
        .json(),
        eval
    );
    let table = gradus(dir.path(), &["eval", "run"]);
    assert!(
        table.out.contains("accuracy") && table.out.contains("bee"),
        "{}",
        table.out
    );

    let digest = gradus(dir.path(), &["hash", "run", "--json"]).json();
    assert_eq!(digest["weights_sha256"], trained["weights_sha256"]);
    assert_eq!(
        gradus(dir.path(), &["hash", "run/model.safetensors", "--json"]).json()["weights_sha256"],
        trained["weights_sha256"]
    );
    let plain = gradus(dir.path(), &["hash", "run"]);
    assert!(
        plain
            .out
            .starts_with(trained["weights_sha256"].as_str().unwrap())
    );
}

#[test]
fn a_weights_file_is_inspected() {
    let dir = with_tree();
    train(dir.path(), "--max-steps 1 --out run");
    let seen = gradus(dir.path(), &["inspect", "run", "--json"]).json();
    has(&seen, &["tensors", "parameters", "metadata"]);
    // conv1 456 + conv2 2416 + fc1 48120 + fc2 10164 + fc3 84·3 + 3
    assert_eq!(seen["parameters"], 61_411);
    let weight = json!({ "name": "conv1.weight", "dtype": "f32", "shape": [6, 3, 5, 5] });
    assert!(
        seen["tensors"].as_array().unwrap().contains(&weight),
        "{seen}"
    );
    assert_eq!(seen["metadata"]["format"], "pt");
    let text = gradus(dir.path(), &["inspect", "run/model.safetensors"]).out;
    assert!(
        text.contains("conv1.weight") && text.contains("61411 numbers in 10 tensors"),
        "{text}"
    );
}

#[test]
fn predictions_are_a_line_each_and_go_on_after_a_bad_file() {
    let dir = with_tree();
    train(dir.path(), "--max-steps 2 --out run");
    write(dir.path(), "note.txt", b"no image");
    let ran = gradus(
        dir.path(),
        &[
            "predict",
            "run",
            "tree/test/ant/8.png",
            "note.txt",
            "none.png",
            "tree/test/bee/9.png",
            "--top",
            "2",
        ],
    );
    assert_eq!(ran.code, 1);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["input"], &lines[1]["input"]),
        (&json!("tree/test/ant/8.png"), &json!("tree/test/bee/9.png"))
    );
    for line in &lines {
        let top = line["top"].as_array().unwrap();
        assert_eq!(top.len(), 2);
        let probability = |i: usize| top[i]["probability"].as_f64().unwrap();
        assert!(
            probability(0) >= probability(1)
                && probability(1) > 0.0
                && probability(0) + probability(1) <= 1.0 + 1e-6
        );
        assert!(["ant", "bee", "cat"].contains(&top[0]["label"].as_str().unwrap()));
    }
    assert!(
        ran.err.contains("error: note.txt: not a PNG or JPEG image"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("error: none.png: cannot read"),
        "{}",
        ran.err
    );
    assert_eq!(lines.len(), 2);
    let all = gradus(dir.path(), &["predict", "run", "tree/test/ant/8.png"]).json();
    let sum: f64 = all["top"]
        .as_array()
        .unwrap()
        .iter()
        .map(|top| top["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-6, "all three classes: {all}");
}

#[test]
fn data_sets_are_listed_made_and_described() {
    let dir = tempfile::tempdir().unwrap();
    let listed = gradus(dir.path(), &["data", "list", "--json"]).json();
    assert_eq!(
        (&listed["name"], &listed["splits"]),
        (
            &json!("fashion-mnist-mini"),
            &json!({ "train": 5000, "test": 1000 })
        )
    );
    assert_eq!(listed["classes"].as_array().unwrap().len(), 10);
    assert!(
        gradus(dir.path(), &["data", "list"])
            .out
            .contains("fashion-mnist-mini")
    );

    let made = gradus(
        dir.path(),
        &["data", "make", "fashion-mnist-mini", "fashion", "--json"],
    )
    .json();
    assert_eq!(
        (&made["classes"], &made["splits"]),
        (&listed["classes"], &listed["splits"])
    );
    let info = gradus(dir.path(), &["data", "info", "fashion", "--json"]).json();
    assert_eq!(
        (&info["name"], &info["classes"], &info["splits"]),
        (&json!("fashion"), &listed["classes"], &listed["splits"])
    );
    assert_eq!(
        (
            &info["per_class"]["test"]["bag"],
            &info["height"],
            &info["grey"]
        ),
        (&json!(100), &json!([28, 28]), &json!(6000))
    );
    let embedded = gradus(
        dir.path(),
        &["data", "info", "fashion-mnist-mini", "--json"],
    )
    .json();
    assert_eq!(
        (&embedded["mean"], &embedded["std"]),
        (&info["mean"], &info["std"])
    );
    assert!(
        gradus(dir.path(), &["data", "info", "fashion"])
            .out
            .contains("ankle-boot")
    );

    // Training reads both alike, to the bit.
    let words = "--max-steps 2 --batch-size 8 --threads 2";
    let tree = train(dir.path(), &format!("{words} --data fashion --out a"));
    let inside = train(
        dir.path(),
        &format!("{words} --data fashion-mnist-mini --out b"),
    );
    assert_eq!(tree["weights_sha256"], inside["weights_sha256"]);
    assert_eq!(tree["eval"], inside["eval"]);

    let again = gradus(
        dir.path(),
        &["data", "make", "fashion-mnist-mini", "fashion"],
    );
    assert!(again.refused(1).contains("fashion: folder is not empty"));
    let unknown = gradus(dir.path(), &["data", "make", "fashion-mnist", "x"]);
    assert!(
        unknown
            .refused(2)
            .contains("no data set is called \"fashion-mnist\"")
    );
}

#[test]
fn commands_without_a_run_say_so() {
    let dir = with_tree();
    for name in ["eval", "hash", "inspect"] {
        assert!(
            gradus(dir.path(), &[name, "nowhere"])
                .refused(1)
                .contains("nowhere"),
            "{name}"
        );
        assert!(
            gradus(dir.path(), &[name, "tree"])
                .refused(1)
                .contains("tree"),
            "{name}"
        );
    }
    let ran = gradus(dir.path(), &["predict", "tree", "x.png"]);
    assert!(
        ran.refused(1)
            .contains("tree: is no run directory: it has no config.toml")
    );
    let ran = gradus(dir.path(), &["inspect", "tree/test/ant/8.png"]);
    assert!(ran.refused(1).contains("tree/test/ant/8.png"));
}
