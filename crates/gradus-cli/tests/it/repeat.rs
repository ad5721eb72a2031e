//! The same bits: for any threads and workers, through stop and resume, from the run's own configuration.

use std::path::Path;

use serde_json::Value;

use crate::program::{train, with_tree};

const NOISE: &str = "--set transforms=[{name=\"Resize\",size=32},{name=\"RandomCrop\",size=32,padding=2},{name=\"RandomHorizontalFlip\"},\
    {name=\"Grayscale\",num_output_channels=3},{name=\"ToTensor\"}]";

/// Step and loss of each logged training step.
fn losses(run: &Path) -> Vec<(u64, f64)> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let train = lines.filter(|line| line["kind"] == "train");
    train
        .map(|line| {
            (
                line["step"].as_u64().unwrap(),
                line["loss"].as_f64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn threads_and_workers_change_nothing() {
    let dir = with_tree();
    for model in ["mlp", "tutorial-cnn"] {
        let run = |words: &str, out: &str| {
            let result = train(
                dir.path(),
                &format!("--model {model} {words} --out {out}-{model} {NOISE}"),
            );
            (
                result["weights_sha256"].clone(),
                result["eval"].clone(),
                losses(&dir.path().join(format!("{out}-{model}"))),
            )
        };
        let first = run("--workers 0", "a");
        assert_eq!(first.2.len(), 12);
        for (words, out) in [
            ("--threads 2", "b"),
            ("--threads 4 --workers 4", "c"),
            ("--workers 1 --set prefetch=1 --set cache_mb=0", "d"),
        ] {
            assert_eq!(run(words, out), first, "{model} {words}");
        }
        assert_ne!(run("--seed 43", "e").0, first.0, "the seed matters");
    }
}

#[test]
fn a_resumed_run_equals_one_that_was_not_stopped() {
    let dir = with_tree();
    for (name, words) in [
        ("plain", "--model tutorial-cnn"),
        (
            "adam",
            "--model mlp --optimizer adamw --lr 0.001 --set ema_decay=0.9 --set accumulate=2 --set warmup=3",
        ),
        (
            "plateau",
            "--model tutorial-cnn --schedule plateau --set patience=0 --set keep_best=true",
        ),
    ] {
        let (whole, parts) = (format!("{name}-whole"), format!("{name}-parts"));
        let one = train(dir.path(), &format!("{words} {NOISE} --out {whole}"));
        // Stopped within an epoch and again at another step.
        for stop in [2, 5] {
            let part = train(
                dir.path(),
                &format!("{words} {NOISE} --out {parts} --resume --max-steps {stop}"),
            );
            assert_eq!(part["steps"], stop, "{name}");
        }
        let rest = train(
            dir.path(),
            &format!("{words} {NOISE} --out {parts} --resume"),
        );
        assert_eq!(rest["resumed_from"], 5, "{name}");
        assert_eq!(rest["weights_sha256"], one["weights_sha256"], "{name}");
        assert_eq!(rest["eval"], one["eval"], "{name}");
        assert_eq!(
            losses(&dir.path().join(&parts)),
            losses(&dir.path().join(&whole)),
            "{name}"
        );
    }
}

#[test]
fn the_configuration_of_a_run_repeats_it() {
    let dir = with_tree();
    let words = format!(
        "--model mlp --schedule cosine --set min_lr=0.001 --set label_smoothing=0.1 {NOISE} --out first"
    );
    let first = train(dir.path(), &words);
    let repeat = |words: &[&str]| {
        let words = [&["train", "first/config.toml", "--json", "--quiet"], words].concat();
        crate::program::gradus(dir.path(), &words).json()
    };
    let other = repeat(&["--out", "other"]);
    assert_eq!(
        (&other["weights_sha256"], &other["run"]),
        (&first["weights_sha256"], &"other".into())
    );
    assert_eq!(
        losses(&dir.path().join("other")),
        losses(&dir.path().join("first"))
    );
    // Without a directory it goes beside the run, which stays as it is.
    let beside = repeat(&[]);
    assert_eq!(
        (&beside["weights_sha256"], &beside["run"]),
        (&first["weights_sha256"], &"first-2".into())
    );
}

#[test]
fn resuming_takes_the_configuration_of_the_run() {
    let dir = with_tree();
    let whole = train(dir.path(), "--model mlp --seed 7 --out whole");
    train(dir.path(), "--model mlp --seed 7 --out parts --max-steps 3");
    let resume = |words: &[&str]| {
        let words = [
            &["train", "--out", "parts", "--resume", "--json", "--quiet"],
            words,
        ]
        .concat();
        crate::program::gradus(dir.path(), &words)
    };
    let refused = resume(&["--seed", "8"]);
    let message = refused.refused(1);
    assert!(
        message.contains("parts: the run there was started with another configuration")
            && message.contains("seed: was 7, is 8")
    );
    let rest = resume(&[]).json();
    assert_eq!(
        (&rest["resumed_from"], &rest["steps"]),
        (&3.into(), &12.into()),
        "the reached limit is lifted"
    );
    assert_eq!(rest["weights_sha256"], whole["weights_sha256"]);
    let nothing_left = resume(&[]).json();
    assert_eq!(
        (
            &nothing_left["resumed_from"],
            &nothing_left["weights_sha256"]
        ),
        (&12.into(), &whole["weights_sha256"])
    );
    let fresh = train(dir.path(), "--model mlp --seed 7 --out fresh --resume");
    assert_eq!(
        (&fresh["resumed_from"], &fresh["weights_sha256"]),
        (&Value::Null, &whole["weights_sha256"])
    );
}

#[test]
fn resume_anyway_goes_on_with_another_configuration() {
    let dir = with_tree();
    train(dir.path(), "--model mlp --out run --max-steps 3");
    let resume = |flag: &str| {
        let words = format!("--model mlp --out run {flag} --lr 0.5 --set log_samples=true");
        crate::program::gradus(dir.path(), &crate::program::train_words(&words))
    };
    let refused = resume("--resume");
    let message = refused.refused(1);
    assert!(
        message.contains("lr: was 0.01, is 0.5") && message.contains("--resume-anyway"),
        "{message}"
    );
    let ran = resume("--resume-anyway");
    assert!(ran.err.contains("lr: was 0.01, is 0.5"), "{}", ran.err);
    let rest = ran.json();
    assert_eq!(
        (&rest["resumed_from"], &rest["steps"]),
        (&3.into(), &12.into())
    );
    let samples = std::fs::read_to_string(dir.path().join("run/samples.jsonl")).unwrap();
    assert_eq!(samples.lines().count(), 9, "{samples}");
    // The run is now one of this configuration.
    assert_eq!(resume("--resume").json()["resumed_from"], 12);
}

#[test]
fn init_takes_the_weights_of_a_file() {
    let dir = with_tree();
    let first = train(dir.path(), "--max-steps 3 --out first");
    let kept = train(
        dir.path(),
        "--init first/model.safetensors --lr 0 --max-steps 1 --seed 9 --out kept",
    );
    assert_eq!(kept["weights_sha256"], first["weights_sha256"]);
}
