//! Trained tokenizers: what the tokenizers library trains, the same bytes each time, and text that comes back.

use std::fs;

use gradus_text::{
    TextError, Tokenizer, TrainerConfig, TrainerKind, train_tokenizer, train_tokenizer_on,
};
use serde_json::Value;

use crate::golden;

fn config(kind: TrainerKind, vocab_size: usize) -> TrainerConfig {
    TrainerConfig {
        kind,
        vocab_size,
        ..Default::default()
    }
}

fn on_corpus(config: &TrainerConfig) -> Tokenizer {
    train_tokenizer(config, &[golden("corpus.txt")]).unwrap()
}

fn corpus() -> String {
    fs::read_to_string(golden("corpus.txt")).unwrap()
}

/// The saved `tokenizer.json`.
fn saved(tokenizer: &Tokenizer) -> String {
    let dir = tempfile::tempdir().unwrap();
    tokenizer.save(dir.path()).unwrap();
    fs::read_to_string(dir.path().join("tokenizer.json")).unwrap()
}

#[test]
fn byte_pairs_are_those_that_the_tokenizers_library_trains() {
    let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(String::from);
    for (folder, special) in [("gpt2", None), ("roberta", Some(special.to_vec()))] {
        let config = TrainerConfig {
            special_tokens: special,
            ..config(TrainerKind::Bpe, 400)
        };
        let ours: Value = serde_json::from_str(&saved(&on_corpus(&config))).unwrap();
        let read = |name: &str| fs::read_to_string(golden(folder).join(name)).unwrap();
        let vocab: Value = serde_json::from_str(&read("vocab.json")).unwrap();
        assert_eq!(ours["model"]["vocab"], vocab, "{folder}");
        let merges: Vec<String> = read("merges.txt")
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect();
        let pairs = ours["model"]["merges"].as_array().unwrap().iter();
        let pairs = pairs.map(|p| format!("{} {}", p[0].as_str().unwrap(), p[1].as_str().unwrap()));
        assert_eq!(pairs.collect::<Vec<_>>(), merges, "{folder}");
    }
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    for kind in TrainerKind::ALL {
        let first = saved(&on_corpus(&config(kind, 420)));
        for _ in 0..3 {
            assert_eq!(
                saved(&on_corpus(&config(kind, 420))),
                first,
                "{}",
                kind.name()
            );
        }
        // A file and its text in memory are one.
        let texts = train_tokenizer_on(&config(kind, 420), [corpus()]).unwrap();
        assert_eq!(saved(&texts), first, "{}", kind.name());
    }
}

#[test]
fn a_trained_tokenizer_knows_its_text_and_its_roles() {
    for kind in TrainerKind::ALL {
        let tokenizer = on_corpus(&config(kind, 700));
        assert!(tokenizer.vocab_size() <= 700, "{}", kind.name());
        for line in corpus().lines() {
            let encoding = tokenizer.encode(line, true).unwrap();
            assert!(
                !encoding.ids.iter().any(|&id| Some(id) == tokenizer.unk()),
                "{}: {line}",
                kind.name()
            );
            let text = tokenizer.decode(&encoding.ids, true).unwrap();
            match kind {
                TrainerKind::Bpe | TrainerKind::Char => assert_eq!(text, line),
                TrainerKind::Unigram => {
                    // NFKC writes the wide signs of Chinese text as narrow ones.
                    let narrow = |text: &str| {
                        text.replace('，', ",")
                            .replace(['：'], ":")
                            .replace('；', ";")
                            .replace('？', "?")
                            .replace('！', "!")
                    };
                    assert_eq!(
                        text,
                        narrow(line)
                            .split_whitespace()
                            .collect::<Vec<_>>()
                            .join(" ")
                    );
                }
                TrainerKind::WordPiece => assert!(text.contains(|c: char| c.is_alphanumeric())),
            }
        }
    }
    let bpe = on_corpus(&config(TrainerKind::Bpe, 300));
    assert_eq!((bpe.bos(), bpe.eos(), bpe.pad()), (Some(0), Some(0), None));
    assert_eq!(
        bpe.decode(&bpe.encode("né\u{0}👍", false).unwrap().ids, true)
            .unwrap(),
        "né\u{0}👍"
    );
    let pieces = on_corpus(&config(TrainerKind::WordPiece, 700));
    assert_eq!(
        (
            pieces.pad(),
            pieces.unk(),
            pieces.cls(),
            pieces.sep(),
            pieces.mask()
        ),
        (Some(0), Some(1), Some(2), Some(3), Some(4))
    );
    assert_eq!(
        pieces.encode("the model", true).unwrap().tokens,
        ["[CLS]", "the", "model", "[SEP]"]
    );
    let unigram = on_corpus(&config(TrainerKind::Unigram, 400));
    assert_eq!(
        (unigram.bos(), unigram.pad(), unigram.eos(), unigram.unk()),
        (Some(0), Some(1), Some(2), Some(3))
    );
    let tokens = unigram.encode("the dog", true).unwrap().tokens;
    assert_eq!(
        (
            tokens.first().unwrap().as_str(),
            tokens.last().unwrap().as_str()
        ),
        ("<s>", "</s>")
    );
}

#[test]
fn more_pieces_make_text_shorter() {
    // The second size is less than the corpus has pieces for.
    for (kind, few, many) in [
        (TrainerKind::Bpe, 640, 1000),
        (TrainerKind::WordPiece, 450, 560),
        (TrainerKind::Unigram, 300, 400),
    ] {
        let tokens = |vocab_size| {
            let config = TrainerConfig {
                min_frequency: Some(1),
                ..config(kind, vocab_size)
            };
            let tokenizer = on_corpus(&config);
            assert!(tokenizer.vocab_size() > vocab_size - 50, "{}", kind.name());
            tokenizer.encode(&corpus(), false).unwrap().len()
        };
        assert!(tokens(many) < tokens(few), "{}", kind.name());
    }
}

#[test]
fn characters_have_their_order_and_the_rare_are_left_out() {
    let tokenizer =
        train_tokenizer_on(&config(TrainerKind::Char, 100), ["ba\nab春", "ca"]).unwrap();
    let tokens: Vec<String> = (0..5).filter_map(|id| tokenizer.token(id)).collect();
    assert_eq!(tokens, ["\n", "a", "b", "c", "春"]);
    assert!(matches!(
        tokenizer.encode("abd", false),
        Err(TextError::Encode { .. })
    ));

    let rare = TrainerConfig {
        min_frequency: Some(2),
        special_tokens: Some(vec!["<unk>".into()]),
        ..config(TrainerKind::Char, 100)
    };
    let tokenizer = train_tokenizer_on(&rare, ["ba\nab春", "ca"]).unwrap();
    assert_eq!(tokenizer.encode("bcad", false).unwrap().ids, [2, 0, 1, 0]);
    let small = train_tokenizer_on(&config(TrainerKind::Char, 2), ["ba\nab春", "ca"]).unwrap();
    assert_eq!(
        (small.vocab_size(), small.id("a"), small.id("b")),
        (2, Some(0), Some(1))
    );
}

#[test]
fn letters_without_room_are_unknown() {
    for kind in [TrainerKind::WordPiece, TrainerKind::Unigram] {
        let tokenizer = on_corpus(&config(kind, 30));
        assert!(tokenizer.vocab_size() <= 30);
        let ids = tokenizer.encode("a 鸟", false).unwrap().ids;
        assert!(
            ids.contains(&tokenizer.unk().unwrap()),
            "{}: {ids:?}",
            kind.name()
        );
        assert!(ids.iter().any(|&id| Some(id) != tokenizer.unk()));
    }
}

#[test]
fn what_cannot_be_trained_says_why() {
    #[track_caller]
    fn refused(config: &TrainerConfig, text: &str, words: &[&str]) {
        let error = train_tokenizer_on(config, [text]).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} in {error}");
        }
    }
    refused(
        &config(TrainerKind::Bpe, 256),
        "a",
        &["vocab_size", "at least 257"],
    );
    refused(
        &config(TrainerKind::WordPiece, 5),
        "a",
        &["vocab_size", "at least 6"],
    );
    refused(
        &config(TrainerKind::Char, 0),
        "a",
        &["vocab_size", "at least 1"],
    );
    refused(
        &config(TrainerKind::Bpe, usize::MAX),
        "a",
        &["vocab_size", "2^30"],
    );
    for kind in TrainerKind::ALL {
        refused(&config(kind, 500), " \n ", &["nothing to train"]);
        refused(&config(kind, 500), "", &["nothing to train"]);
    }
    let special = |kind, tokens: &[&str]| TrainerConfig {
        special_tokens: Some(tokens.iter().map(|&t| t.to_owned()).collect()),
        ..config(kind, 500)
    };
    refused(
        &special(TrainerKind::Bpe, &["<a>", "<a>"]),
        "a",
        &["special_tokens", "<a>"],
    );
    refused(&special(TrainerKind::Bpe, &[""]), "a", &["special_tokens"]);
    refused(
        &special(TrainerKind::WordPiece, &["[PAD]"]),
        "a",
        &["special_tokens", "[UNK]"],
    );

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1.txt");
    fs::write(&path, b"good\nna\xefve\n").unwrap();
    let error = train_tokenizer(&config(TrainerKind::Bpe, 500), &[&path]).unwrap_err();
    assert!(error.to_string().contains("latin1.txt, line 2"), "{error}");
    fs::write(&path, b"").unwrap();
    let error = train_tokenizer(&config(TrainerKind::Bpe, 500), &[&path]).unwrap_err();
    assert!(
        error.to_string().contains("latin1.txt has no text"),
        "{error}"
    );
    let missing = dir.path().join("missing.txt");
    let error = train_tokenizer(&config(TrainerKind::Bpe, 500), &[&missing]).unwrap_err();
    assert!(matches!(error, TextError::Io { .. }));
}
