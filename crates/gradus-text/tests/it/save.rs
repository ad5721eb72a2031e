//! What is saved opens as the same tokenizer, with the same bytes each time.

use gradus_text::{Role, Tokenizer};
use std::fs;

use crate::{FOLDERS, golden_json, open};

#[test]
fn a_saved_tokenizer_is_the_same_tokenizer() {
    let golden = golden_json("tokens.json");
    for name in FOLDERS {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a/b"), dir.path().join("c"));
        let tokenizer = open(name).with_chat_template("{{ messages }}\n");
        tokenizer.save(&first).unwrap();
        let again = Tokenizer::open(&first).unwrap();
        for case in golden["cases"][name].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let (a, b) = (tokenizer.encode(text, true), again.encode(text, true));
            assert_eq!(a.unwrap(), b.unwrap(), "{name}: {text:?}");
        }
        for role in Role::ALL {
            assert_eq!(tokenizer.role(role), again.role(role), "{name} {role:?}");
        }
        assert!(again.has_chat_template());
        assert_eq!(tokenizer.vocab_size(), again.vocab_size());
        assert_eq!(tokenizer.max_length(), again.max_length());
        again.save(&second).unwrap();
        for file in [
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
        ] {
            let read = |dir: &std::path::Path| fs::read_to_string(dir.join(file)).unwrap();
            assert_eq!(read(&first), read(&second), "{name} {file}");
        }
    }
    assert_eq!(open("bert_cased").max_length(), Some(64));
}
