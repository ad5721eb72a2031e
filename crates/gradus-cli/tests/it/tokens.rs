//! `gradus tokenize` and `gradus tokenizer train`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::gradus;

/// A folder with a small text, and BERT's kind of vocabulary.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("bert")).unwrap();
    put(
        "bert/vocab.txt",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n春\n",
    );
    put(
        "text.txt",
        "the cat sat on the mat\n春眠不觉晓，处处闻啼鸟。\nthe cats sat\n",
    );
    dir
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn each_text_is_a_line_of_ids_and_tokens() {
    let dir = folder();
    let ran = gradus(dir.path(), &["tokenize", "bert", "Hello worlds", "春", ""]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let expected = [
        json!({ "text": "Hello worlds", "ids": [2, 5, 6, 7, 3], "tokens": ["[CLS]", "hello", "world", "##s", "[SEP]"] }),
        json!({ "text": "春", "ids": [2, 8, 3], "tokens": ["[CLS]", "春", "[SEP]"] }),
        json!({ "text": "", "ids": [2, 3], "tokens": ["[CLS]", "[SEP]"] }),
    ];
    assert_eq!(lines(&ran.out), expected);
    let words = [
        "tokenize",
        "bert",
        "--file",
        "text.txt",
        "--no-special",
        "--max-length",
        "2",
    ];
    let of_file = lines(&gradus(dir.path(), &words).out);
    assert_eq!(of_file.len(), 3);
    assert_eq!(of_file[1]["ids"], json!([8, 1]));
}

#[test]
fn what_is_trained_is_what_is_tokenized_with() {
    let dir = folder();
    for kind in ["bpe", "wordpiece", "unigram", "char"] {
        let train = |out: &str| {
            let size = if kind == "bpe" { "270" } else { "60" };
            let words = [
                "tokenizer",
                "train",
                "text.txt",
                "--kind",
                kind,
                "--vocab-size",
                size,
                "--out",
                out,
                "--json",
            ];
            gradus(dir.path(), &words).json()
        };
        let (first, second) = (format!("{kind}-1"), format!("{kind}-2"));
        let report = train(&first);
        train(&second);
        assert_eq!(
            (&report["kind"], &report["out"]),
            (&json!(kind), &json!(first))
        );
        let read = |folder: &str| fs::read(dir.path().join(folder).join("tokenizer.json")).unwrap();
        assert_eq!(read(&first), read(&second), "{kind}");
        let ran = gradus(dir.path(), &["tokenize", &first, "the cat 春"]);
        let ids: Vec<u64> = serde_json::from_value(lines(&ran.out)[0]["ids"].clone()).unwrap();
        let size = report["vocab_size"].as_u64().unwrap();
        assert!(
            ids.len() > 2 && ids.iter().all(|&id| id < size),
            "{kind}: {ids:?}"
        );
    }
}

#[test]
fn mistakes_are_told_apart_from_failures() {
    let dir = folder();
    fs::write(dir.path().join("latin1.txt"), b"na\xefve\n").unwrap();
    let run = |words: &[&str]| gradus(dir.path(), words);
    assert_eq!(run(&["tokenize", "bert"]).code, 2);
    let words = [
        "tokenizer",
        "train",
        "text.txt",
        "--kind",
        "words",
        "--out",
        "x",
    ];
    assert_eq!(run(&words).code, 2);
    let small = run(&[
        "tokenizer",
        "train",
        "text.txt",
        "--vocab-size",
        "9",
        "--out",
        "x",
    ]);
    assert!(small.refused(2).contains("at least 257"));
    let nothing = run(&["tokenize", ".", "a"]);
    assert!(nothing.refused(1).contains("tokenizer.json"));
    let latin1 = run(&["tokenize", "bert", "--file", "latin1.txt"]);
    assert!(latin1.refused(1).contains("latin1.txt, line 1"));
    let latin1 = run(&["tokenizer", "train", "latin1.txt", "--out", "x"]);
    assert!(latin1.refused(1).contains("latin1.txt, line 1"));
    assert!(!Path::new(&dir.path().join("x")).exists());
}
