//! Tokenizers, chat templates, configurations of models.

use super::{Case, row};
use crate::parsers::{ADAPTER, CHAT, MERGES, MODEL_CONFIG, TOKENIZER, VOCAB_JSON, VOCAB_TXT};

pub(super) fn cases() -> Vec<Case> {
    [
        tokenizers(),
        patterns(),
        vocabularies(),
        templates(),
        models(),
        adapters(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A tokenizer over the words `a` and `^`, with these parts before its model.
fn tokenizer(parts: &str) -> String {
    format!(
        "{{\"version\": \"1.0\", {parts} \"model\": {{\"type\": \"WordLevel\", \"vocab\": {{\"a\": 0, \"^\": 1}}, \"unk_token\": \"a\"}}}}"
    )
}

fn tokenizers() -> Vec<Case> {
    let t = &TOKENIZER;
    let template = |single: &str| {
        tokenizer(&format!(
            "\"post_processor\": {{\"type\": \"TemplateProcessing\", \"single\": {single}, \"pair\": [], \"special_tokens\": {{}}}},"
        ))
    };
    let merges = "[\"a\", \"b\"],".repeat(100_000);
    vec![
        row("tokenizer empty", t, [], "not a usable tokenizer"),
        row("tokenizer null", t, "null", "not a usable tokenizer"),
        row(
            "tokenizer without a model",
            t,
            "{\"version\": \"1.0\"}",
            "not a usable tokenizer",
        ),
        row(
            "tokenizer not UTF-8",
            t,
            b"{\"a\": \"\xff\"}",
            "not a usable tokenizer",
        ),
        row(
            "tokenizer a million brackets",
            t,
            "[".repeat(1_000_000),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer a million objects",
            t,
            "{\"a\":".repeat(1_000_000),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer of a model unknown",
            t,
            "{\"version\": \"1.0\", \"model\": {\"type\": \"Oracle\"}}",
            "not a usable tokenizer",
        ),
        row(
            "tokenizer unigram without its unknown",
            t,
            "{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {\"type\": \"Unigram\", \"unk_id\": 7, \"vocab\": [[\"a\", 0.0]]}}",
            "not a usable tokenizer",
        ),
        row(
            "tokenizer an id of 2^32 - 1",
            t,
            "{\"version\": \"1.0\", \"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 4294967295}, \"unk_token\": \"a\"}}",
            "the id 4294967295",
        ),
        row(
            "tokenizer unigram of a million letters",
            t,
            format!(
                "{{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {{\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"{}\", 0.0]]}}}}",
                "a".repeat(1_000_000)
            ),
            "1000000 bytes",
        ),
        row(
            "tokenizer merges of what is not there",
            t,
            format!(
                "{{\"version\": \"1.0\", \"model\": {{\"type\": \"BPE\", \"vocab\": {{\"a\": 0}}, \"merges\": [{}]}}}}",
                &merges[..merges.len() - 1]
            ),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer template of a token unknown",
            t,
            template("[{\"SpecialToken\": {\"id\": \"<t>\", \"type_id\": 0}}]"),
            "\"<t>\"",
        ),
        row(
            "tokenizer template of a second text",
            t,
            template("[{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}]"),
            "the sequence B",
        ),
        row(
            "tokenizer strips more than a token has",
            t,
            tokenizer(
                "\"decoder\": {\"type\": \"Strip\", \"content\": \"a\", \"start\": 0, \"stop\": 9},",
            ),
            "cannot make text",
        ),
    ]
}

fn patterns() -> Vec<Case> {
    let t = &TOKENIZER;
    let regex = |pattern: &str| {
        tokenizer(&format!(
            "\"pre_tokenizer\": {{\"type\": \"Split\", \"pattern\": {{\"Regex\": \"{pattern}\"}}, \"behavior\": \"Isolated\", \"invert\": false}},"
        ))
    };
    vec![
        row(
            "tokenizer a million ^",
            t,
            regex(&"^".repeat(1_000_000)),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer a pattern without an end",
            t,
            regex("(a"),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer a pattern of a million groups",
            t,
            regex(&"(".repeat(1_000_000)),
            "not a usable tokenizer",
        ),
        row(
            "tokenizer a pattern of 10^9 states",
            t,
            regex("((a{1000}){1000}){1000}"),
            "not a usable tokenizer",
        ),
    ]
}

fn vocabularies() -> Vec<Case> {
    vec![
        row("vocab.txt empty", &VOCAB_TXT, [], "[UNK]"),
        row(
            "vocab.txt not UTF-8",
            &VOCAB_TXT,
            b"[PAD]\n[UNK]\n\xff\n",
            "line 3",
        ),
        row(
            "vocab.txt without [SEP]",
            &VOCAB_TXT,
            "[UNK]\n[CLS]\n",
            "\"[SEP]\"",
        ),
        row("vocab.json a list", &VOCAB_JSON, "[]", "not the JSON"),
        row(
            "vocab.json an id of 2^32",
            &VOCAB_JSON,
            "{\"a\": 4294967296}",
            "vocab.json",
        ),
        row(
            "vocab.json an id of -1",
            &VOCAB_JSON,
            "{\"a\": -1}",
            "vocab.json",
        ),
        row(
            "merges three to a line",
            &MERGES,
            "#version: 0.2\na b c\n",
            "line 2",
        ),
        row(
            "merges of what is not there",
            &MERGES,
            "a \u{1f44d}\n",
            "line 1",
        ),
        row("merges not UTF-8", &MERGES, b"a \xff\n", "line 1"),
    ]
}

fn templates() -> Vec<Case> {
    let t = &CHAT;
    let template = |text: &str| serde_json::json!({ "chat_template": text }).to_string();
    let nested = "{% if true %}".repeat(7_000);
    let chain = format!(
        "{{{{ a{} }}}}",
        format!("{}\n", "%a".repeat(24_000)).repeat(2)
    );
    let lists = "{% set n = namespace(x=1) %}{% for i in range(99999) %}{% for j in range(99999) %}\
                 {% set n.x = [n.x] %}{% endfor %}{% endfor %}";
    vec![
        row("chat settings a list", t, "[]", "tokenizer_config.json"),
        row(
            "chat template without an end",
            t,
            template("{% for m in messages %}"),
            "chat template",
        ),
        row(
            "chat template that refuses",
            t,
            template("{{ raise_exception('no system') }}"),
            "no system",
        ),
        row(
            "chat template that never ends",
            t,
            template(
                "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
            ),
            "chat template",
        ),
        row(
            "chat template that calls itself",
            t,
            template("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"),
            "chat template",
        ),
        row(
            "chat template of 7,000 levels",
            t,
            template(&nested),
            "chat template",
        ),
        row(
            "chat template of 48,000 operators in a row",
            t,
            template(&chain),
            "chat template",
        ),
        row(
            "chat template that wraps a list in lists without an end",
            t,
            template(lists),
            "chat template",
        ),
        row(
            "chat template of a million brackets",
            t,
            template(&format!("{{{{ {}", "(".repeat(1_000_000))),
            "more than 100000 bytes",
        ),
        row(
            "chat template that reads a file",
            t,
            template("{{ open('/etc/passwd').read() }}"),
            "chat template",
        ),
        row(
            "chat template that includes a file",
            t,
            template("{% include '/etc/passwd' %}"),
            "chat template",
        ),
    ]
}

/// GPT-2's configuration with this in place of a key.
fn gpt2(key: &str, value: &str) -> String {
    let keys = [
        ("vocab_size", "100"),
        ("n_positions", "32"),
        ("n_embd", "8"),
        ("n_layer", "2"),
        ("n_head", "2"),
    ];
    let keys = keys
        .iter()
        .filter(|(k, _)| *k != key)
        .map(|(k, v)| format!("\"{k}\": {v}, "));
    format!(
        "{{{}\"{key}\": {value}, \"model_type\": \"gpt2\"}}",
        keys.collect::<String>()
    )
}

fn models() -> Vec<Case> {
    let m = &MODEL_CONFIG;
    vec![
        row("config.json empty", m, [], "is not a JSON object"),
        row(
            "config.json deep",
            m,
            "{\"a\":".repeat(500_000),
            "is not a JSON object",
        ),
        row(
            "config.json without a type",
            m,
            "{}",
            "has no \"model_type\"",
        ),
        row(
            "config.json of a type unknown",
            m,
            "{\"model_type\": \"oracle\"}",
            "\"model_type\" must be one of",
        ),
        row(
            "config.json 0 heads",
            m,
            gpt2("n_head", "0"),
            "\"n_head\" must be",
        ),
        row(
            "config.json heads that do not divide",
            m,
            gpt2("n_head", "3"),
            "n_head",
        ),
        row(
            "config.json width -1",
            m,
            gpt2("n_embd", "-1"),
            "\"n_embd\" must be",
        ),
        row(
            "config.json width 2^32",
            m,
            gpt2("n_embd", "4294967296"),
            "\"n_embd\" must be",
        ),
        row(
            "config.json width 2^31-1",
            m,
            gpt2("n_embd", "2147483646"),
            "overflows",
        ),
        row(
            "config.json vocabulary 2^31-1",
            m,
            gpt2("vocab_size", "2147483647"),
            "parameters",
        ),
        row(
            "config.json 2^31-1 layers",
            m,
            gpt2("n_layer", "2147483647"),
            "n_layer",
        ),
        row(
            "config.json width of a text",
            m,
            gpt2("n_embd", "\"8\""),
            "\"n_embd\" must be",
        ),
        row(
            "config.json labels with a gap",
            m,
            gpt2("id2label", "{\"0\": \"a\", \"2\": \"b\"}"),
            "id2label",
        ),
        row(
            "config.json 2^32 labels",
            m,
            gpt2("num_labels", "4294967296"),
            "\"num_labels\" must be",
        ),
    ]
}

fn adapters() -> Vec<Case> {
    let a = &ADAPTER;
    vec![
        row("adapter empty", a, [], "is not a JSON object"),
        row(
            "adapter of another kind",
            a,
            "{\"peft_type\": \"IA3\"}",
            "\"peft_type\" must be \"LORA\"",
        ),
        row(
            "adapter targets by a pattern",
            a,
            "{\"peft_type\": \"LORA\", \"target_modules\": \"(a+)+$\"}",
            "\"target_modules\" must be",
        ),
        row(
            "adapter rank -1",
            a,
            "{\"peft_type\": \"LORA\", \"r\": -1}",
            "\"r\" must be",
        ),
        row(
            "adapter dropout 2",
            a,
            "{\"peft_type\": \"LORA\", \"lora_dropout\": 2}",
            "\"lora_dropout\" must be",
        ),
    ]
}
