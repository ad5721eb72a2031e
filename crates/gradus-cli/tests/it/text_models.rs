//! Continuing and embedding texts with small models of random weights: the golden ones of gradus-models, with a tokenizer of characters.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::program::{Ran, gradus, write};

/// The tokens: a beginning, letters, a space, some digits.
const SIGNS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456";
/// Tokens of the golden models.
const VOCAB: usize = 61;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../gradus-models/tests/golden")
        .join(name)
}

/// `tokenizer.json` with one token a character. With `begin` a text begins with the token `<s>`.
fn tokenizer(signs: &str, begin: bool) -> Value {
    let mut vocab = Map::from_iter([("<s>".to_owned(), json!(0))]);
    vocab.extend(
        (1..)
            .zip(signs.chars())
            .map(|(id, c)| (c.to_string(), json!(id))),
    );
    let word = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let first = json!({ "SpecialToken": { "id": "<s>", "type_id": 0 } });
    json!({
        "version": "1.0",
        "added_tokens": [{
            "id": 0, "content": "<s>", "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        }],
        "normalizer": null,
        "pre_tokenizer": { "type": "Split", "pattern": { "String": " " }, "behavior": "Isolated", "invert": false },
        "post_processor": begin.then(|| json!({
            "type": "TemplateProcessing",
            "single": [first, word],
            "pair": [first, word, word],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [0], "tokens": ["<s>"] } },
        })),
        "decoder": { "type": "Fuse" },
        "model": { "type": "BPE", "vocab": vocab, "merges": [], "unk_token": null },
    })
}

/// A folder with the golden model `name` as `m`.
fn model(name: &str, begin: bool) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = golden("decoders").join(name);
    for file in ["config.json", "model.safetensors"] {
        let bytes = fs::read(from.join(file)).unwrap();
        write(dir.path(), &format!("m/{file}"), &bytes);
    }
    assert_eq!(SIGNS.len() + 1, VOCAB);
    let text = tokenizer(SIGNS, begin).to_string();
    write(dir.path(), "m/tokenizer.json", text.as_bytes());
    dir
}

/// Sets a key of the model's configuration.
fn configure(dir: &TempDir, key: &str, value: Value) {
    let path = dir.path().join("m/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

fn run(dir: &TempDir, command: &str, words: &[&str]) -> Ran {
    gradus(dir.path(), &[&[command, "m"], words].concat())
}

/// The JSON lines of a start that went well.
#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = |line| serde_json::from_str(line).expect("JSON");
    ran.out.lines().map(line).collect()
}

/// The token ids of each line.
fn ids(lines: &[Value]) -> Vec<Value> {
    lines.iter().map(|line| line["token_ids"].clone()).collect()
}

fn embedding(line: &Value) -> Vec<f64> {
    let values = line["embedding"].as_array().expect("an array");
    values
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

#[track_caller]
fn assert_close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    assert!(far.fold(0.0, f64::max) < 1e-5, "{a:?}\n{b:?}");
}

#[test]
fn a_continuation_is_one_json_line() {
    let dir = model("gpt2", false);
    let words = ["--prompt", "hello", "--max-tokens", "9", "--json"];
    let line = run(&dir, "generate", &words).json();
    let ids: Vec<u64> = line["token_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap())
        .collect();
    assert!(!ids.is_empty() && ids.len() <= 9, "{line}");
    let text = ids.iter().filter(|&&id| id > 0);
    let text: String = text
        .map(|&id| SIGNS.chars().nth(id as usize - 1).unwrap())
        .collect();
    assert_eq!(line["text"], text);
    assert_eq!(line["prompt"], "hello");
    assert!(line["tokens_per_second"].as_f64().unwrap() > 0.0);
    let reason = if ids.last() == Some(&0) {
        "stop"
    } else {
        "length"
    };
    assert_eq!(line["finish_reason"], reason);

    let shown = run(&dir, "generate", &words[..4]);
    assert_eq!(
        (shown.code, shown.out),
        (0, format!("{text}\n")),
        "streamed: {}",
        shown.err
    );
    assert!(
        shown.err.contains(&format!("ended by {reason}")),
        "{}",
        shown.err
    );
}

#[test]
fn the_same_tokens_alone_together_without_a_cache_and_with_more_threads() {
    for name in ["gpt2", "llama"] {
        let dir = model(name, true);
        let prompts = [
            "--prompt", "abc", "--prompt", "x", "--prompt", "the cat", "--prompt", "x",
        ];
        for choice in [
            &[][..],
            &[
                "--temperature",
                "1.3",
                "--top-k",
                "40",
                "--top-p",
                "0.99",
                "--seed",
                "5",
            ],
        ] {
            let all = |more: &[&str]| {
                let words = [&prompts, choice, &["--json", "--max-tokens", "8"], more].concat();
                ids(&lines(&run(&dir, "generate", &words)))
            };
            let want = all(&["--threads", "1"]);
            assert_eq!(want.len(), 4);
            for more in [
                &["--no-cache"][..],
                &["--threads", "2"],
                &["--batch-size", "1"],
            ] {
                assert_eq!(all(more), want, "{name} {more:?}");
            }
            for (at, prompt) in ["abc", "x", "the cat"].iter().enumerate() {
                let words = [&["--prompt", prompt, "--json", "--max-tokens", "8"], choice].concat();
                assert_eq!(
                    run(&dir, "generate", &words).json()["token_ids"],
                    want[at],
                    "{name} {prompt}"
                );
            }
            // equal prompts: greedy the same, drawn each its own
            assert_eq!(want[1] == want[3], choice.is_empty(), "{want:?}");
        }
    }
}

#[test]
fn a_text_ends_before_a_stop_text_and_with_the_positions() {
    let dir = model("gpt2", false);
    configure(&dir, "eos_token_id", Value::Null);
    let long = [
        "--prompt",
        "ab",
        "--max-tokens",
        "99",
        "--json",
        "--temperature",
        "2",
        "--seed",
        "3",
    ];
    let line = run(&dir, "generate", &long).json();
    assert_eq!(line["finish_reason"], "positions");
    assert_eq!(line["token_ids"].as_array().unwrap().len(), 30);
    let text = line["text"].as_str().unwrap();
    let stop = &text[4..6];
    let cut = run(
        &dir,
        "generate",
        &[&long[..], &["--stop", stop, "--stop", "no such text"]].concat(),
    )
    .json();
    assert_eq!(cut["text"], text[..text.find(stop).unwrap()]);
    assert_eq!(cut["finish_reason"], "stop");

    let last = line["token_ids"][7].clone();
    let found = line["token_ids"]
        .as_array()
        .unwrap()
        .iter()
        .position(|id| *id == last)
        .unwrap();
    write(
        dir.path(),
        "m/generation_config.json",
        json!({ "eos_token_id": [60, last] }).to_string().as_bytes(),
    );
    let ended = run(&dir, "generate", &long).json();
    assert_eq!(ended["finish_reason"], "stop");
    assert!(ended["token_ids"].as_array().unwrap().len() <= found + 1);
}

#[test]
fn prompts_come_from_files_and_through_chat_templates() {
    let dir = model("gpt2", true);
    write(dir.path(), "prompts.txt", b"abc\r\n\n  \nthe cat\n");
    let short = ["--max-tokens", "5", "--json"];
    let from_file = lines(&run(
        &dir,
        "generate",
        &[&["--file", "prompts.txt"], &short[..]].concat(),
    ));
    let named = lines(&run(
        &dir,
        "generate",
        &[&["--prompt", "abc", "--prompt", "the cat"], &short[..]].concat(),
    ));
    assert_eq!(ids(&from_file), ids(&named));
    let shown = run(
        &dir,
        "generate",
        &["--file", "prompts.txt", "--max-tokens", "5"],
    )
    .out;
    let want: Vec<String> = named
        .iter()
        .map(|line| {
            format!(
                "==> {} <==\n{}\n",
                line["prompt"].as_str().unwrap(),
                line["text"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(shown, want.join("\n"));

    let asked = [&["--chat", "--prompt", "hi"], &short[..]].concat();
    let none = run(&dir, "generate", &asked);
    assert!(none.refused(1).contains("chat template"));
    let template = "{% for m in messages %}<s>{{ m.role[0] }}{{ m.content }}{% endfor %}{% if add_generation_prompt %}A{% endif %}";
    write(dir.path(), "m/chat_template.jinja", template.as_bytes());
    let chat = run(&dir, "generate", &asked).json();
    let plain = run(
        &dir,
        "generate",
        &[&["--prompt", "uhiA"], &short[..]].concat(),
    )
    .json();
    assert_eq!(
        (&chat["prompt"], &chat["token_ids"]),
        (&json!("hi"), &plain["token_ids"])
    );
}

#[test]
fn adapters_change_what_the_model_says() {
    let dir = model("gpt2", false);
    let adapter = golden("lora/gpt2");
    let words = [
        "--prompt",
        "hello",
        "--json",
        "--max-tokens",
        "20",
        "--temperature",
        "1",
    ];
    let plain = run(&dir, "generate", &words).json();
    let adapted = run(
        &dir,
        "generate",
        &[&words[..], &["--adapter", adapter.to_str().unwrap()]].concat(),
    )
    .json();
    assert_ne!(plain["token_ids"], adapted["token_ids"]);
    let none = run(
        &dir,
        "generate",
        &[&words[..], &["--adapter", "nowhere"]].concat(),
    );
    assert!(none.refused(1).contains("adapter_config.json"));
}

#[test]
fn folders_that_cannot_be_used_say_what_they_need() {
    let refused = |spoil: &dyn Fn(&TempDir), code: i32, part: &str| {
        let dir = model("gpt2", false);
        spoil(&dir);
        let ran = run(&dir, "generate", &["--prompt", "a"]);
        let message = ran.refused(code);
        assert!(message.contains(part), "{part}: {message}");
    };
    let remove = |file: &'static str| {
        move |dir: &TempDir| fs::remove_file(dir.path().join("m").join(file)).unwrap()
    };
    refused(
        &|dir| fs::remove_dir_all(dir.path().join("m")).unwrap(),
        1,
        "m: no such folder",
    );
    refused(
        &remove("config.json"),
        1,
        "has no config.json; a text model's folder has config.json, model.safetensors and tokenizer.json",
    );
    refused(&remove("tokenizer.json"), 1, "no tokenizer");
    refused(&remove("model.safetensors"), 1, "model.safetensors");
    refused(
        &|dir| configure(dir, "model_type", json!("rnn")),
        1,
        "must be one of bert, roberta, distilbert, gpt2, llama",
    );
    let classes = json!(["GPT2ForSequenceClassification"]);
    refused(
        &|dir| configure(dir, "architectures", classes.clone()),
        2,
        "the model's head is \"sequence classification\"",
    );
    let encoder = |dir: &TempDir| {
        let keys = json!({
            "model_type": "bert", "architectures": ["BertModel"], "vocab_size": VOCAB, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 16, "type_vocab_size": 2,
        });
        fs::write(dir.path().join("m/config.json"), keys.to_string()).unwrap();
    };
    refused(&encoder, 2, "bert: has no head \"causal language model\"");
    let large = |dir: &TempDir| {
        let text = tokenizer(&format!("{SIGNS}!"), false).to_string();
        fs::write(dir.path().join("m/tokenizer.json"), text).unwrap();
    };
    refused(&large, 1, "the tokenizer has 62 tokens and the model 61");
}

#[test]
fn prompts_that_cannot_be_used_are_refused_at_once() {
    let dir = model("gpt2", false);
    write(dir.path(), "long.txt", "hello ".repeat(200_000).as_bytes());
    write(dir.path(), "blank.txt", b"\n \n");
    write(dir.path(), "latin1.txt", b"ok\ncaf\xe9\n");
    for (words, code, part) in [
        (
            &["--file", "long.txt"][..],
            2,
            "prompt 1: has 1200000 tokens, and the model 32 positions",
        ),
        (&["--prompt", "a", "--prompt", ""], 2, "prompt 2: is empty"),
        (&["--file", "blank.txt"], 2, "blank.txt: has no text"),
        (&["--file", "latin1.txt"], 1, "latin1.txt"),
        (&["--file", "nowhere.txt"], 1, "nowhere.txt"),
    ] {
        let ran = run(&dir, "generate", words);
        let message = ran.refused(code);
        assert!(message.contains(part), "{part}: {message}");
    }
    for words in [
        &[][..],
        &["--prompt", "a", "--temperature", "-1"],
        &["--prompt", "a", "--temperature", "nan"],
        &["--prompt", "a", "--top-p", "0"],
        &["--prompt", "a", "--min-p", "1.5"],
        &["--prompt", "a", "--top-k", "0"],
        &["--prompt", "a", "--repetition-penalty", "0"],
        &["--prompt", "a", "--stop", ""],
    ] {
        assert_eq!(run(&dir, "generate", words).code, 2, "{words:?}");
    }
    let begun = model("gpt2", true);
    assert_eq!(
        run(&begun, "generate", &["--prompt", "", "--max-tokens", "2"]).code,
        0,
        "the template's token is a prompt"
    );
}

#[test]
fn embeddings_come_in_order_and_do_not_depend_on_their_batch() {
    let dir = model("gpt2", true);
    let texts = "the cat\n\nx\nhello world\nabc abc abc\nx\n";
    write(dir.path(), "texts.txt", texts.as_bytes());
    let all = |more: &[&str]| {
        lines(&run(
            &dir,
            "embed",
            &[&["--file", "texts.txt"], more].concat(),
        ))
    };
    let want = all(&["--threads", "1"]);
    let said: Vec<&str> = want
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, texts.lines().collect::<Vec<_>>());
    for line in &want {
        let norm: f64 = embedding(line).iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
    }
    for more in [
        &["--batch-size", "1"][..],
        &["--batch-size", "2"],
        &["--threads", "2"],
    ] {
        for (line, want) in all(more).iter().zip(&want) {
            assert_eq!(line["text"], want["text"]);
            assert_close(&embedding(line), &embedding(want));
        }
    }
    let named = lines(&run(&dir, "embed", &["hello world", "x"]));
    assert_close(&embedding(&named[0]), &embedding(&want[3]));
    assert_close(&embedding(&named[1]), &embedding(&want[2]));
}

#[test]
fn long_texts_are_embedded_by_their_beginning() {
    let dir = model("gpt2", false);
    let long = "abcdefg ".repeat(20);
    let first = |words: &[&str]| embedding(&lines(&run(&dir, "embed", words))[0]);
    assert_close(&first(&[&long]), &first(&[&long[..32]]));
    assert_close(&first(&[&long, "--max-length", "5"]), &first(&[&long[..5]]));
    write(
        dir.path(),
        "m/sentence_bert_config.json",
        br#"{ "max_seq_length": 7 }"#,
    );
    assert_close(&first(&[&long]), &first(&[&long[..7]]));
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let dir = model("gpt2", false);
    assert_eq!(run(&dir, "embed", &[]).code, 2);
    let ran = run(&dir, "embed", &["a", ""]);
    assert!(ran.refused(1).contains("text 2: has no tokens"));
    let ran = run(&dir, "embed", &["a", "--max-length", "33"]);
    assert!(ran.refused(2).contains("the model has 32 positions"));
    write(
        dir.path(),
        "m/1_Pooling/config.json",
        br#"{ "pooling_mode_cls_token": true }"#,
    );
    let ran = run(&dir, "embed", &["a"]);
    assert!(ran.refused(1).contains("asks for pooling_mode_cls_token"));
}
