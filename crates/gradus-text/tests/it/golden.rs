//! Ids, tokens, offsets, truncation and decoding are those of transformers, for English, Chinese and messy texts.

use gradus_text::{EncodeConfig, Encoding, Role, Side, Tokenizer};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{FOLDERS, golden_json, open};

fn list<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Calls `check` with each tokenizer and each of its cases.
#[track_caller]
fn for_all(check: impl Fn(&str, &Tokenizer, &str, &Value)) {
    let golden = golden_json("tokens.json");
    for name in FOLDERS {
        let tokenizer = open(name);
        let cases = golden["cases"][name].as_array().unwrap();
        assert!(cases.len() > 35);
        for case in cases {
            check(name, &tokenizer, case["text"].as_str().unwrap(), case);
        }
    }
}

#[test]
fn ids_tokens_and_offsets_are_those_of_transformers() {
    for_all(|name, tokenizer, text, case| {
        let encoding = tokenizer.encode(text, true).unwrap();
        assert_eq!(encoding.ids, list::<u32>(&case["ids"]), "{name}: {text:?}");
        assert_eq!(encoding.tokens, list::<String>(&case["tokens"]));
        assert_eq!(encoding.words, list::<Option<u32>>(&case["words"]));
        let offsets = list::<(usize, usize)>(&case["offsets"]);
        assert_eq!(encoding.offsets, offsets, "{name}: {text:?}");
        for (start, end) in encoding.offsets {
            assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
        }
        let plain = tokenizer.encode(text, false).unwrap();
        assert_eq!(
            plain.ids,
            list::<u32>(&case["plain_ids"]),
            "{name}: {text:?}"
        );
        assert!(!plain.special_mask.contains(&true));
    });
}

#[test]
fn truncation_is_that_of_transformers() {
    let config = EncodeConfig {
        max_length: Some(7),
        ..Default::default()
    };
    for_all(|name, tokenizer, text, case| {
        let short = &tokenizer.encode_batch(&[text], &config).unwrap()[0];
        assert_eq!(
            short.ids,
            list::<u32>(&case["short_ids"]),
            "{name}: {text:?}"
        );
    });
}

#[test]
fn decoding_is_that_of_transformers() {
    for_all(|name, tokenizer, text, case| {
        let ids: Vec<u32> = list(&case["ids"]);
        let decoded = |skip| tokenizer.decode(&ids, skip).unwrap();
        assert_eq!(decoded(false), case["decoded"], "{name}: {text:?}");
        assert_eq!(decoded(true), case["decoded_plain"], "{name}: {text:?}");
    });
}

#[test]
fn roles_are_those_of_transformers() {
    let golden = golden_json("tokens.json");
    for name in ["bert", "bert_cased", "gpt2", "roberta", "llama"] {
        let tokenizer = open(name);
        for role in Role::ALL {
            let key = role.key().trim_end_matches("_token");
            let expected = golden["roles"][name][key].as_u64();
            assert_eq!(
                tokenizer.role(role).map(u64::from),
                expected,
                "{name} {key}"
            );
        }
    }
    // Without settings the usual names count.
    let tokenizer = open("unigram");
    assert_eq!(
        [
            tokenizer.bos(),
            tokenizer.pad(),
            tokenizer.eos(),
            tokenizer.unk()
        ],
        [Some(0), Some(1), Some(2), Some(3)]
    );
    assert_eq!(tokenizer.special_ids(), [0, 1, 2, 3]);
}

#[test]
fn a_batch_is_its_texts_one_by_one() {
    for_all_texts(|tokenizer, texts| {
        let batch = tokenizer
            .encode_batch(texts, &EncodeConfig::default())
            .unwrap();
        let single: Vec<Encoding> = texts
            .iter()
            .map(|text| tokenizer.encode(text, true).unwrap())
            .collect();
        assert_eq!(batch, single);
    });
}

fn for_all_texts(check: impl Fn(&Tokenizer, &[String])) {
    let golden = golden_json("tokens.json");
    for name in FOLDERS {
        let cases = golden["cases"][name].as_array().unwrap();
        let texts: Vec<String> = cases
            .iter()
            .map(|case| case["text"].as_str().unwrap().to_owned())
            .collect();
        check(&open(name), &texts);
    }
}

#[test]
fn ids_are_below_the_vocabulary_size_and_name_their_tokens() {
    for_all_texts(|tokenizer, texts| {
        for text in texts {
            let encoding = tokenizer.encode(text, true).unwrap();
            for (&id, token) in encoding.ids.iter().zip(&encoding.tokens) {
                assert!((id as usize) < tokenizer.vocab_size());
                assert_eq!(tokenizer.token(id).as_ref(), Some(token));
                assert_eq!(tokenizer.id(token), Some(id));
            }
        }
        let end = u32::try_from(tokenizer.vocab_size()).unwrap();
        assert_eq!(tokenizer.token(end), None);
    });
}

#[test]
fn pairs_and_words_keep_what_belongs_to_what() {
    let bert = open("bert");
    let pair = bert.encode_pair("the cat", "a mat", true).unwrap();
    assert_eq!(pair.tokens.first().map(String::as_str), Some("[CLS]"));
    let second = pair.tokens.iter().position(|t| t == "[SEP]").unwrap() + 1;
    assert!(pair.type_ids[..second].iter().all(|&id| id == 0));
    assert!(pair.type_ids[second..].iter().all(|&id| id == 1));

    let words = ["unwanted", "reading", "春天"];
    let encoding = bert.encode_words(&words, &EncodeConfig::default()).unwrap();
    let of_word = |word| {
        let tokens = encoding.tokens.iter().zip(&encoding.words);
        tokens
            .filter(|(_, of)| **of == Some(word))
            .map(|(token, _)| token.trim_start_matches("##"))
            .collect::<String>()
    };
    assert_eq!([of_word(0), of_word(1)], ["unwanted", "reading"]);
    assert_eq!(encoding.words[0], None);
}

#[test]
fn texts_are_cut_at_the_side_that_is_asked_for() {
    let bert = open("bert");
    let cut = |max, truncate| {
        let config = EncodeConfig {
            max_length: Some(max),
            truncate,
            ..Default::default()
        };
        bert.encode_batch(&["a b c d"], &config)
            .map(|batch| batch[0].tokens.join(" "))
    };
    assert_eq!(cut(4, Side::Right).unwrap(), "[CLS] a b [SEP]");
    assert_eq!(cut(4, Side::Left).unwrap(), "[CLS] c d [SEP]");
    let error = cut(1, Side::Right).unwrap_err().to_string();
    assert!(error.contains("at least 2"), "{error}");
}

#[test]
fn a_megabyte_is_tokenized() {
    let text = "春眠不觉晓, the quick brown fox. ".repeat(30_000);
    assert!(text.len() > 1_000_000);
    for name in ["bert", "gpt2"] {
        let encoding = open(name).encode(&text, true).unwrap();
        assert!(encoding.len() > 100_000);
    }
}
