//! Tokenizers, chat templates and the configurations of models.

use std::path::Path;

use gradus::models::{FolderConfig, Head, build_text, read_lora};
use gradus::nn::{DType, ParamStore};
use gradus::text::{EncodeConfig, Message, Tokenizer};

use super::said;
use crate::parser::{NamedBytes, PLAIN, Parser, golden};

/// Opens a tokenizer and uses it both ways.
fn tokenizer(dir: &Path) -> Result<(), String> {
    let tokenizer = Tokenizer::open(dir).map_err(said)?;
    let text = "The quick 春眠 \u{1f44d}\u{0} unaffable</s> [MASK] 12,345";
    let encoded = tokenizer.encode(text, true).map_err(said)?;
    let pair = tokenizer.encode_pair("a b", text, true);
    tokenizer.decode(&encoded.ids, false).map_err(said)?;
    tokenizer.decode(&[0, 1, u32::MAX], true).map_err(said)?;
    let by_words = tokenizer.encode_words(&["Li", "Bai"], &EncodeConfig::default());
    pair.and(by_words).map(drop).map_err(said)
}

pub(crate) const TOKENIZER: Parser = Parser {
    name: "tokenizer",
    file: "tokenizer.json",
    open: tokenizer,
    seeds: || {
        let names = ["llama", "unigram"];
        let path = |name| format!("gradus-text/tests/golden/{name}/tokenizer.json");
        names.map(path).iter().map(|path| golden(path)).collect()
    },
    words: &[
        "\"type\": \"BPE\"",
        "\"type\": \"WordLevel\"",
        "\"type\": \"Unigram\"",
        "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a+)+$\"}, \"behavior\": \"Isolated\", \"invert\": false}",
        "{\"type\": \"ByteLevel\"}",
        "\"pre_tokenizer\": ",
        "\"normalizer\": ",
        "\"post_processor\": ",
        "\"truncation\": {\"max_length\": 0, \"strategy\": \"LongestFirst\", \"stride\": 9},",
        "\"padding\": {\"strategy\": {\"Fixed\": 4294967295}},",
        "\"merges\": [",
        "\"vocab\": {",
        "\"added_tokens\": [",
        "[",
        "]",
        "{",
        "}",
        ",",
    ],
    ..PLAIN
};

pub(crate) const VOCAB_TXT: Parser = Parser {
    name: "vocab-txt",
    file: "vocab.txt",
    seeds: || vec![golden("gradus-text/tests/golden/bert/vocab.txt")],
    words: &["[UNK]", "[CLS]", "[SEP]", "##", "\n", "\r\n"],
    ..TOKENIZER
};

fn merges() -> Vec<u8> {
    golden("gradus-text/tests/golden/gpt2/merges.txt")
}

fn vocab_json() -> Vec<u8> {
    golden("gradus-text/tests/golden/gpt2/vocab.json")
}

pub(crate) const VOCAB_JSON: Parser = Parser {
    name: "vocab-json",
    file: "vocab.json",
    seeds: || vec![vocab_json()],
    beside: || vec![("merges.txt".into(), merges())],
    words: &[
        "\"<s>\": 0, \"</s>\": 1, \"<mask>\": 2,",
        "\u{120}",
        "{",
        "}",
        ",",
    ],
    ..TOKENIZER
};

pub(crate) const MERGES: Parser = Parser {
    name: "merges",
    file: "merges.txt",
    seeds: || vec![merges()],
    beside: || vec![("vocab.json".into(), vocab_json())],
    words: &["#version: 0.2\n", "\u{120} ", " ", "\n"],
    ..TOKENIZER
};

/// `tokenizer_config.json`, with its chat template.
pub(crate) const CHAT: Parser = Parser {
    name: "chat",
    file: "tokenizer_config.json",
    open: |dir| {
        let tokenizer = Tokenizer::open(dir).map_err(said)?;
        if !tokenizer.has_chat_template() {
            return Ok(());
        }
        let said_by = |role| Message::new(role, "hello {{ there }}");
        let messages = [said_by("user"), said_by("assistant"), said_by("user")];
        let prompt = tokenizer.apply_chat_template(&messages, true);
        prompt.map(drop).map_err(said)
    },
    beside: || {
        let path = "gradus-text/tests/golden/llama/tokenizer.json";
        vec![("tokenizer.json".into(), golden(path))]
    },
    words: &[
        "{% for i in range(99999) %}",
        "{% endfor %}",
        "{% if true %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ messages|tojson }}",
        "{{ 2 ** 9999 }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ messages[0:99:-1] }}",
        "|reverse",
        "|join('x')",
        ".split('')",
        "(",
        ")",
        "[",
        "]",
        "{{",
        "}}",
        "~",
    ],
    ..PLAIN
};

/// Model folders' `config.json`: the model is planned, not made, so that its size costs nothing.
pub(crate) const MODEL_CONFIG: Parser = Parser {
    name: "model-config",
    file: "config.json",
    open: |dir| {
        let config = FolderConfig::open(dir).map_err(said)?;
        let labels = config.labels();
        let heads = [
            Head::None,
            Head::CausalLm,
            Head::MaskedLm,
            Head::SequenceClassification {
                labels: vec!["a".into(), "b".into()],
            },
        ];
        let mut last = Err("no head".to_owned());
        for head in heads {
            let store = ParamStore::deferred(0, DType::F32);
            let built = build_text(&config, head, &store.root());
            last = last.or(built.map(drop).map_err(said));
        }
        labels.map_err(said)?;
        last
    },
    seeds: || {
        let names = [
            "decoders/gpt2",
            "decoders/llama",
            "decoders/llama-llama3",
            "decoders/llama-yarn",
            "decoders/mistral",
            "decoders/qwen2",
            "encoders/bert-sequence",
            "encoders/distilbert-masked-lm",
            "encoders/roberta-tokens",
            "encoders/vit-classes",
        ];
        let path = |name| format!("gradus-models/tests/golden/{name}/config.json");
        names.map(path).iter().map(|path| golden(path)).collect()
    },
    words: &[
        "\"hidden_size\": ",
        "\"num_hidden_layers\": ",
        "\"num_attention_heads\": ",
        "\"num_key_value_heads\": ",
        "\"vocab_size\": ",
        "\"intermediate_size\": ",
        "\"max_position_embeddings\": ",
        "\"rope_scaling\": {",
        "\"head_dim\": ",
        "\"num_labels\": ",
        "\"id2label\": {",
        "\"hidden_act\": ",
        "\"gelu_new\"",
        "2147483647",
        "[",
        "{",
        "}",
    ],
    ..PLAIN
};

fn adapters() -> Vec<NamedBytes> {
    ["gpt2", "llama"]
        .map(|name| {
            let path = format!("gradus-models/tests/golden/lora/{name}/adapter_config.json");
            (name.to_owned(), golden(&path))
        })
        .to_vec()
}

pub(crate) const ADAPTER: Parser = Parser {
    name: "adapter",
    file: "adapter_config.json",
    open: |dir| read_lora(dir).map(drop).map_err(said),
    seeds: || adapters().into_iter().map(|(_, bytes)| bytes).collect(),
    words: &[
        "\"r\": ",
        "\"lora_alpha\": ",
        "\"target_modules\": [",
        "\"modules_to_save\": ",
        "\"peft_type\": ",
        "[",
        "{",
    ],
    ..PLAIN
};
