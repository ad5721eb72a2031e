//! The layers of the configuration, and their mistakes.

use crate::program::{gradus, train, train_words, with_tree, write};

#[track_caller]
fn refused(words: &[&str], expected: &[&str]) {
    let dir = with_tree();
    write(dir.path(), "lr.toml", b"seed = 1\nlr = \"fast\"\n");
    write(
        dir.path(),
        "keys.toml",
        b"# mine\nseed = 1\nbatchsize = 3\n",
    );
    write(dir.path(), "zero.toml", b"batch_size = 0\n");
    write(dir.path(), "syntax.toml", b"lr = = 1\n");
    write(dir.path(), "binary.toml", b"\xff\xfe\x00");
    let ran = gradus(dir.path(), &[&["train"], words].concat());
    let message = ran.refused(2);
    for part in expected {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert!(!dir.path().join("runs").exists(), "nothing was begun");
}

#[test]
fn files_that_are_wrong_are_named_with_the_line() {
    refused(
        &["keys.toml"],
        &[
            "keys.toml:3: unknown key \"batchsize\"",
            "did you mean \"batch_size\"?",
        ],
    );
    refused(
        &["lr.toml"],
        &["lr.toml", "line 2", "lr = \"fast\"", "^^^^"],
    );
    refused(
        &["zero.toml"],
        &["zero.toml:1: batch_size: must be at least 1, got 0"],
    );
    refused(&["syntax.toml"], &["syntax.toml", "line 1", "^"]);
    refused(&["binary.toml"], &["binary.toml"]);
    refused(&["none.toml"], &["none.toml: cannot read"]);
    refused(&["tree"], &["tree: is a directory"]);
}

#[test]
fn words_that_are_wrong_are_named() {
    refused(
        &["--set", "rl=1"],
        &["--set rl=1: unknown key \"rl\"", "did you mean \"lr\"?"],
    );
    refused(&["--set", "lr"], &["--set lr: expected KEY=VALUE"]);
    refused(&["--set", "lr=fast"], &["--set lr=fast", "invalid type"]);
    refused(&["--set", "milestones=[1"], &["--set milestones=[1"]);
    refused(
        &["--set", "batch_size=0"],
        &["batch_size: must be at least 1, got 0"],
    );
    refused(
        &["--batch-size", "0"],
        &["batch_size: must be at least 1, got 0"],
    );
    refused(&["--lr", "-0.1"], &["lr: must be at least 0, got -0.1"]);
    refused(&["--lr", "nan"], &["lr: must be"]);
    refused(&["--momentum", "2"], &["momentum: must be in 0..=1, got 2"]);
    refused(
        &["--optimizer", "adanw"],
        &["optimizer", "did you mean \"adamw\"?"],
    );
    refused(
        &["--schedule", "cosin"],
        &["schedule", "did you mean \"cosine\"?"],
    );
    refused(&["--model", "resnet19"], &["model", "resnet18"]);
    refused(
        &["--data", "fashion-mnist-mimi"],
        &["did you mean \"fashion-mnist-mini\"?"],
    );
    refused(
        &[
            "--data",
            "tree",
            "--set",
            "transforms=[{name=\"RandonCrop\", size=32}]",
        ],
        &["did you mean \"RandomCrop\"?"],
    );
    refused(
        &[
            "--data",
            "tree",
            "--set",
            "transforms=[{name=\"Resize\", sise=32}]",
        ],
        &["no argument \"sise\"", "size"],
    );
    refused(
        &["--data", "tree", "--set", "class_weights=[1.0, 2.0]"],
        &["class_weights: 2 weights for 3 classes"],
    );
    refused(&["--resume"], &["--resume: which run?"]);
}

#[test]
fn flags_win_over_set_over_file_over_defaults_and_the_run_says_all() {
    let dir = with_tree();
    write(
        dir.path(),
        "c.toml",
        b"epochs = 7\nlr = 0.5\nmomentum = 0.1\nmodel = \"mlp\"\n",
    );
    let words = "c.toml --set lr=0.25 --set momentum=0.2 --set nesterov=true --momentum 0.3 --max-steps 1 --out run";
    train(dir.path(), words);
    let text = std::fs::read_to_string(dir.path().join("run/config.toml")).unwrap();
    for line in [
        "epochs = 2",
        "lr = 0.25",
        "momentum = 0.3",
        "nesterov = true",
        "model = \"mlp\"",
        "out = \"run\"",
        "data = \"tree\"",
        "weight_decay = 0.0",
        "seed = 42",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn the_printed_default_is_the_default() {
    let dir = with_tree();
    let printed = gradus(dir.path(), &["config"]);
    assert!(
        printed.out.contains("# The learning rate"),
        "keys are explained"
    );
    write(dir.path(), "printed.toml", printed.out.as_bytes());
    train(dir.path(), "--max-steps 1 --out plain");
    train(dir.path(), "printed.toml --max-steps 1 --out printed");
    let config = |run: &str| {
        std::fs::read_to_string(dir.path().join(run).join("config.toml"))
            .unwrap()
            .replace(run, "RUN")
    };
    assert_eq!(config("plain"), config("printed"));
}

#[test]
fn progress_is_plain_lines_and_quiet_is_quiet() {
    let dir = with_tree();
    let ran = gradus(dir.path(), &train_words("--max-steps 2 --out a"));
    assert!(
        ran.err.contains("tutorial-cnn") && ran.err.contains("test: loss"),
        "{}",
        ran.err
    );
    assert!(
        !ran.err.contains('\u{1b}') && !ran.err.contains('\r'),
        "{:?}",
        ran.err
    );
    let ran = gradus(dir.path(), &train_words("--max-steps 2 --out b --quiet"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = gradus(
        dir.path(),
        &["train", "--data", "tree", "--max-steps", "1", "-q"],
    );
    assert!(
        ran.out.contains("accuracy") && ran.out.contains("report.html"),
        "for people: {}",
        ran.out
    );
    assert!(
        dir.path()
            .join("runs/tutorial-cnn-tree-001/report.html")
            .exists()
    );
}
