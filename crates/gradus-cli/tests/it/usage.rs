//! Help, versions, exit codes, completions, pages.

use std::path::Path;
use std::process::Stdio;

use crate::program::{command, gradus};

const COMMANDS: [&str; 16] = [
    "train",
    "eval",
    "predict",
    "generate",
    "embed",
    "inspect",
    "hash",
    "tokenize",
    "tokenizer",
    "convert",
    "data",
    "gradcheck",
    "op",
    "config",
    "completions",
    "man",
];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn without_arguments_the_help_goes_to_stderr() {
    let ran = gradus(here(), &[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("Usage: gradus") && ran.err.contains("Examples:"),
        "{}",
        ran.err
    );
}

#[test]
fn help_teaches_and_goes_to_stdout() {
    let ran = gradus(here(), &["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for word in COMMANDS.iter().chain(&["Examples:", "Exit codes:"]) {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
    for name in COMMANDS {
        let ran = gradus(here(), &[name, "--help"]);
        assert_eq!(ran.code, 0, "{name}");
        assert!(
            ran.out.contains(&format!("Usage: gradus {name}")),
            "{}",
            ran.out
        );
        if let Some((_, examples)) = ran.out.split_once("Examples:") {
            let own = format!("\n  gradus {name}");
            assert!(examples.contains(&own), "{name}: examples of its own");
        }
    }
    let train = gradus(here(), &["train", "--help"]).out;
    for flag in [
        "--data <DIR>",
        "--set <KEY=VALUE>",
        "--checkpoint-every <STEPS>",
        "--init <FILE.safetensors>",
        "[default: 0.01]",
    ] {
        assert!(train.contains(flag), "{flag}: {train}");
    }
}

#[test]
fn the_version_is_one_line() {
    let ran = gradus(here(), &["--version"]);
    assert_eq!(
        (ran.code, ran.out),
        (0, format!("gradus {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn wrong_usage_is_code_2() {
    for words in [
        &["trian"][..],
        &["train", "--learning-rate", "1"],
        &["eval"],
        &["predict", "x"],
        &["hash"],
        &["data"],
        &["data", "make", "fashion-mnist-mini"],
        &["train", "--epochs", "-1"],
        &["train", "--epochs", "many"],
        &["predict", "r", "x", "--top", "0"],
    ] {
        let ran = gradus(here(), words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}");
        assert!(!ran.err.is_empty());
    }
    assert!(
        gradus(here(), &["trian"]).err.contains("train"),
        "a similar command is named"
    );
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = gradus(here(), &["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(
            ran.out.contains("checkpoint-every") && ran.out.contains("predict"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_printed_or_written() {
    let ran = gradus(here(), &["man"]);
    assert!(
        ran.code == 0 && ran.out.contains(".TH gradus 1"),
        "{}",
        ran.out
    );
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(gradus(dir.path(), &["man", "pages/man1"]).code, 0);
    for page in ["gradus.1", "gradus-train.1", "gradus-data-make.1"] {
        let text = std::fs::read_to_string(dir.path().join("pages/man1").join(page)).unwrap();
        assert!(
            text.contains(".TH") && text.contains("DESCRIPTION"),
            "{page}"
        );
    }
}

#[test]
fn the_page_about_the_configuration_is_up_to_date() {
    let ran = gradus(here(), &["config", "--markdown"]);
    let page = std::fs::read_to_string(here().join("../../docs/config.md")).unwrap();
    assert_eq!(ran.code, 0);
    assert!(
        ran.out == page,
        "docs/config.md is old; write it anew: gradus config --markdown > docs/config.md"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(here(), &["config"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}
