//! Configurations that ask for more than any machine has.

use gradus_models::{FolderConfig, Head, MAX_FRESH_PARAMETERS, build_text, open_pretrained};
use gradus_nn::ParamStore;
use serde_json::{Value, json};

use crate::folders::{config, golden_weights, written};

/// Sizes that no file of weights has, by the key that each architecture reads.
fn monsters() -> Vec<(FolderConfig, Head)> {
    let bert = [
        "hidden_size",
        "intermediate_size",
        "vocab_size",
        "type_vocab_size",
        "max_position_embeddings",
    ];
    let gpt2 = ["n_embd", "n_inner", "vocab_size", "n_positions"];
    let llama = [
        "hidden_size",
        "intermediate_size",
        "vocab_size",
        "num_key_value_heads",
        "head_dim",
    ];
    let small = |keys: Value| FolderConfig::new(keys.as_object().unwrap().clone());
    let gpt2_keys = small(
        json!({"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1, "vocab_size": 9, "n_positions": 4}),
    );
    let llama_keys = small(
        json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 8, "vocab_size": 9}),
    );
    let bert_keys = config(json!({"num_attention_heads": 1}));
    let mut all = Vec::new();
    for (keys, names, head) in [
        (bert_keys, &bert[..], Head::MaskedLm),
        (gpt2_keys, &gpt2, Head::CausalLm),
        (llama_keys, &llama, Head::CausalLm),
    ] {
        for name in names {
            for size in [2_000_000_000_u64, 1_000_000_000_000, u64::MAX] {
                all.push((keys.clone().with(name, size), head.clone()));
            }
        }
    }
    all
}

#[test]
fn sizes_of_monsters_are_refused_before_they_take_memory() {
    for (config, head) in monsters() {
        let store = ParamStore::seeded(0);
        let error = build_text(&config, head.clone(), &store.root()).err();
        let message = error.expect("a refusal").to_string();
        let most = MAX_FRESH_PARAMETERS.to_string();
        assert!(
            ["below 2^31", "a divisor of", "overflows", &most]
                .iter()
                .any(|part| message.contains(part)),
            "{message}"
        );
        assert!(store.keys().is_empty(), "nothing is made");

        let folder = written(config.keys(), &golden_weights("bert-masked-lm"));
        let error = open_pretrained(folder.path(), head).err();
        let message = error.expect("a refusal").to_string();
        assert!(
            [
                "below 2^31",
                "a divisor of",
                "overflows",
                "the names do not fit the model"
            ]
            .iter()
            .any(|part| message.contains(part)),
            "{message}"
        );
    }
    let many = config(json!({"num_hidden_layers": 10_000}));
    let folder = written(many.keys(), &golden_weights("bert-masked-lm"));
    let error = open_pretrained(folder.path(), Head::MaskedLm).err();
    assert!(error.unwrap().to_string().contains("bert.encoder.layer.2"));
    let many = json!({"id2label": null, "num_labels": 1_000_000_000, "architectures": ["BertForTokenClassification"]});
    let message = Head::of(&config(many)).unwrap_err().to_string();
    assert!(
        message.contains("num_labels") && message.contains("at most 100000"),
        "{message}"
    );
}
