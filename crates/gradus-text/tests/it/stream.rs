//! Streamed text is the decoded text, and never half a character.

use gradus_text::Tokenizer;
use proptest::prelude::*;

use crate::{FOLDERS, golden_json, open};

fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut stream = tokenizer.stream();
    let mut text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
    text.push_str(&stream.finish());
    assert_eq!(stream.finish(), "", "what was given is not given again");
    text
}

#[test]
fn pieces_joined_are_the_decoded_text() {
    let golden = golden_json("tokens.json");
    for name in FOLDERS {
        let tokenizer = open(name);
        for case in golden["cases"][name].as_array().unwrap() {
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(streamed(&tokenizer, &ids), case["decoded_plain"], "{name}");
        }
    }
}

#[test]
fn characters_come_whole() {
    for name in ["gpt2", "llama"] {
        let tokenizer = open(name);
        let ids = tokenizer.encode("👍🏽a鬱", false).unwrap().ids;
        let mut stream = tokenizer.stream();
        let pieces: Vec<String> = ids.iter().filter_map(|&id| stream.push(id)).collect();
        assert!(
            ids.len() > pieces.len(),
            "some tokens are parts of characters"
        );
        assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')));
        assert_eq!(pieces.concat(), "👍🏽a鬱");
    }
}

#[test]
fn special_tokens_come_only_if_asked_for() {
    let tokenizer = open("roberta");
    let ids = tokenizer.encode("the dog", true).unwrap().ids;
    let mut stream = tokenizer.stream().with_special();
    let text: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
    assert_eq!(text, "<s>the dog</s>");
    assert_eq!(streamed(&tokenizer, &ids), "the dog");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_tokens_stream_to_their_text(ids in proptest::collection::vec(0_u32..420, 0..60)) {
        // Bytes that are no text, unknown ids and special tokens among them.
        for name in ["gpt2", "bert"] {
            let tokenizer = open(name);
            prop_assert_eq!(streamed(&tokenizer, &ids), tokenizer.decode(&ids, true).unwrap());
        }
    }
}
