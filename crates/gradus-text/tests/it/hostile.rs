//! Files that are no tokenizer, or a damaged one: an error that names the file, never a panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gradus_text::{TextError, Tokenizer};
use proptest::prelude::*;

use crate::golden;

#[track_caller]
fn refused(dir: &Path, words: &[&str]) -> TextError {
    let error = Tokenizer::open(dir).unwrap_err();
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} in {text}");
    }
    error
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

#[test]
fn a_folder_without_a_tokenizer_says_what_is_expected() {
    let dir = folder(&[("config.json", b"{}")]);
    let error = refused(dir.path(), &["tokenizer.json", "vocab.txt", "merges.txt"]);
    assert!(matches!(error, TextError::NoTokenizer { .. }));
    let error = refused(&dir.path().join("nothing"), &["nothing"]);
    assert!(matches!(error, TextError::Io { .. }));
    let dir = folder(&[("weights.bin", b"x")]);
    let error = refused(&dir.path().join("weights.bin"), &["weights.bin"]);
    assert!(matches!(error, TextError::NoTokenizer { .. }));
}

#[test]
fn vocabularies_that_cannot_be_used_are_named() {
    let dir = folder(&[("vocab.txt", b"[PAD]\n[UNK]\n\xff\xfe\n")]);
    refused(dir.path(), &["vocab.txt, line 3", "UTF-8"]);
    let dir = folder(&[("vocab.txt", b"")]);
    refused(dir.path(), &["vocab.txt", "[UNK]"]);
    let dir = folder(&[("vocab.txt", b"[UNK]\n[CLS]\na\n")]);
    let error = refused(dir.path(), &["[SEP]"]);
    assert!(matches!(error, TextError::MissingToken { .. }));

    let vocab = br#"{"a": 0, "b": 1, "ab": 2}"#;
    let dir = folder(&[("vocab.json", vocab)]);
    refused(dir.path(), &["merges.txt"]);
    for (merges, words) in [
        (
            &b"#version: 0.2\na b c\n"[..],
            ["merges.txt, line 2", "two tokens"],
        ),
        (b"a b\nb a\n", ["merges.txt, line 2", "\"ba\""]),
        (b"a \xff\n", ["merges.txt, line 1", "UTF-8"]),
    ] {
        let dir = folder(&[("vocab.json", vocab), ("merges.txt", merges)]);
        refused(dir.path(), &words);
    }
    for vocab in [
        &b"[1]"[..],
        b"{",
        br#"{"a": -1}"#,
        br#"{"a": "x"}"#,
        br#"{"a": 5000000000}"#,
    ] {
        let dir = folder(&[("vocab.json", vocab), ("merges.txt", b"")]);
        refused(dir.path(), &["vocab.json"]);
    }
}

#[test]
fn settings_must_be_json_objects() {
    let vocab: &[u8] = b"[UNK]\n[CLS]\n[SEP]\n";
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        for bytes in [&b""[..], b"[]", b"{\"a\": \xff}"] {
            let dir = folder(&[("vocab.txt", vocab), (name, bytes)]);
            refused(dir.path(), &[name]);
        }
    }
}

#[test]
fn a_tokenizer_json_that_is_none_is_refused() {
    for bytes in [
        &b""[..],
        b"{}",
        b"null",
        b"[[[[",
        br#"{"version": "1.0", "model": {"type": "BPE"}}"#,
        br#"{"version": "9.9", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "x"}}"#,
        br#"{"version": "1.0", "added_tokens": [], "model": {"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]}}"#,
    ] {
        let dir = folder(&[("tokenizer.json", bytes)]);
        let error = refused(dir.path(), &["tokenizer.json"]);
        assert!(matches!(error, TextError::Malformed { .. }), "{error}");
    }
    for (pieces, word) in [
        (r#"[{"SpecialToken": {"id": "<t>", "type_id": 0}}]"#, "<t>"),
        (r#"[{"Sequence": {"id": "B", "type_id": 0}}]"#, "sequence B"),
    ] {
        let template = format!(
            r#"{{"type": "TemplateProcessing", "single": {pieces}, "pair": [], "special_tokens": {{}}}}"#
        );
        let sequence = format!(r#"{{"type": "Sequence", "processors": [{template}]}}"#);
        for processor in [template, sequence] {
            let json = format!(
                r#"{{"version": "1.0", "post_processor": {processor}, "model": {{"type": "WordLevel", "vocab": {{"a": 0}}, "unk_token": "a"}}}}"#
            );
            let dir = folder(&[("tokenizer.json", json.as_bytes())]);
            let error = refused(dir.path(), &["tokenizer.json", word]);
            assert!(matches!(error, TextError::Malformed { .. }), "{error}");
        }
    }
    let deep = "[".repeat(200_000);
    let dir = folder(&[("tokenizer.json", deep.as_bytes())]);
    refused(dir.path(), &["tokenizer.json"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_tokenizers_never_panic(
        name in prop::sample::select(vec!["llama", "unigram"]),
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        let mut bytes = fs::read(golden(name).join("tokenizer.json")).unwrap();
        for (at, byte, printable) in hits {
            let at = at.index(bytes.len());
            bytes[at] = if printable { b' ' + byte % 95 } else { byte };
        }
        let dir = folder(&[("tokenizer.json", &bytes)]);
        let result = catch_unwind(AssertUnwindSafe(|| {
            if let Ok(tokenizer) = Tokenizer::open(dir.path()) {
                let encoded = tokenizer.encode("the quick 春眠 \u{1f44d}\u{0}", true);
                if let Ok(encoding) = encoded {
                    let _ = tokenizer.decode(&encoding.ids, false);
                }
                let _ = tokenizer.decode(&[0, 1, u32::MAX], true);
            }
        }));
        prop_assert!(result.is_ok());
    }
}
