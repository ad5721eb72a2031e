//! Training on text: every task from files to a folder that can be scored and used, with the same bits for any threads, workers and stops.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::gradus;

const VERSE: &str = "The old pond, a frog jumps in, the sound of water. ";

/// Files to train on: prose, labelled texts and tagged words.
fn with_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    write("prose.txt", VERSE.repeat(40));
    let lines = |i: usize| format!("{VERSE}{i}\n");
    write("lines.txt", (0..24).map(lines).collect());
    let review = |i: usize| match i % 2 {
        0 => format!("\"a fine, good film {i}\",positive\n"),
        _ => format!("a bad and dull film {i},negative\n"),
    };
    write(
        "reviews.csv",
        format!("text,label\n{}", (0..32).map(review).collect::<String>()),
    );
    let tagged = |i: usize| {
        format!(
            "{{\"tokens\": [\"Ann\", \"sees\", \"Bob{i}\"], \"labels\": [\"N\", \"V\", \"N\"]}}\n"
        )
    };
    write("tagged.jsonl", (0..24).map(tagged).collect());
    dir
}

const TINY_GPT: &str = "--set architecture={n_layer=2,n_head=2,n_embd=16,n_inner=64} --set block_size=16 --set warmup=2";
const TINY_BERT: &str = "--set architecture={hidden_size=16,num_hidden_layers=2,num_attention_heads=2,intermediate_size=32} \
    --set block_size=32 --set vocab_size=200 --set warmup=2 --tokenizer wordpiece";

fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

#[track_caller]
fn train(dir: &Path, text: &str) -> Value {
    let base = "train --json --batch-size 4 --set log_every=1 --threads 1 --epochs 1";
    let all: Vec<&str> = words(base).into_iter().chain(words(text)).collect();
    gradus(dir, &all).json()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_language_model_repeats_for_any_threads_workers_and_stops() {
    let dir = with_files();
    let task = format!(
        "--task language-model --train-file prose.txt --tokenizer char --set windows_per_epoch=40 {TINY_GPT} \
         --set architecture={{n_layer=2,n_head=2,n_embd=16,n_inner=64,attn_pdrop=0.1,resid_pdrop=0.1,embd_pdrop=0.1}}"
    );
    let first = train(dir.path(), &format!("{task} --out a"));
    assert_eq!(
        (first["steps"].as_u64(), first["epochs"].as_u64()),
        (Some(10), Some(1))
    );
    let eval = &first["eval"];
    let loss = eval["loss"].as_f64().unwrap();
    assert!(loss < 3.3 && (eval["perplexity"].as_f64().unwrap() - loss.exp()).abs() < 1e-9);
    for (out, more) in [
        ("b", "--threads 2"),
        ("c", "--threads 4 --workers 4"),
        ("d", "--workers 0"),
    ] {
        let again = train(dir.path(), &format!("{task} --out {out} {more}"));
        assert_eq!(again["weights_sha256"], first["weights_sha256"], "{more}");
        assert_eq!(again["eval"], first["eval"], "{more}");
    }
    train(dir.path(), &format!("{task} --out e --max-steps 4"));
    let resumed = train(dir.path(), "--out e --resume");
    assert_eq!(resumed["resumed_from"], 4);
    assert_eq!(resumed["weights_sha256"], first["weights_sha256"]);
    let scored = gradus(dir.path(), &["eval", "a", "--json"]).json();
    assert_eq!(scored, first["eval"], "eval scores what the run kept");
    let hashed = gradus(dir.path(), &["hash", "a", "--json"]).json();
    assert_eq!(hashed["weights_sha256"], first["weights_sha256"]);
}

#[test]
fn accumulated_micro_batches_train_as_one() {
    let dir = with_files();
    let task = format!(
        "--task text-classification --train-file reviews.csv --set length_buckets=false --set shuffle=false {TINY_BERT}"
    );
    let quiet = task.replace(
        "intermediate_size=32",
        "intermediate_size=32,hidden_dropout_prob=0.0,attention_probs_dropout_prob=0.0",
    );
    let whole = train(dir.path(), &format!("{quiet} --batch-size 8 --out a"));
    let parts = train(
        dir.path(),
        &format!("{quiet} --batch-size 4 --set accumulate=2 --out b"),
    );
    assert_eq!(whole["steps"], parts["steps"]);
    let [a, b] = [&whole, &parts].map(|run| run["eval"]["loss"].as_f64().unwrap());
    assert!((a - b).abs() < 1e-4, "{a} {b}");
}

#[test]
fn classifiers_of_texts_and_words_learn_and_tell() {
    let dir = with_files();
    let task = format!(
        "--task text-classification --train-file reviews.csv {TINY_BERT} --epochs 12 --lr 0.01 --out texts"
    );
    let run = train(dir.path(), &task);
    assert_eq!(run["eval"]["accuracy"], 1.0);
    assert_eq!(
        run["eval"]["classes"],
        serde_json::json!(["negative", "positive"])
    );
    let told = gradus(
        dir.path(),
        &[
            "predict",
            "texts",
            "a good film",
            "a dull film",
            "--top",
            "1",
        ],
    );
    let told = lines(&told.out);
    assert_eq!(told[0]["top"][0]["label"], "positive");
    assert_eq!(told[1]["top"][0]["label"], "negative");
    let scored = gradus(
        dir.path(),
        &["eval", "texts", "--data", "reviews.csv", "--json"],
    )
    .json();
    assert_eq!(
        (&scored["accuracy"], &scored["examples"]),
        (&1.0.into(), &32.into())
    );

    // the tokenizer is made of the texts: it has their words, and not those of the labels
    let said = gradus(dir.path(), &["tokenize", "texts", "dull negative"]);
    let tokens = &lines(&said.out)[0]["tokens"];
    assert_eq!(tokens[1], "dull");
    assert_ne!(tokens[2], "negative", "{tokens}");

    let task = format!(
        "--task token-classification --train-file tagged.jsonl {TINY_BERT} --epochs 12 --lr 0.01 --out tags"
    );
    assert_eq!(train(dir.path(), &task)["eval"]["f1_macro"], 1.0);
    let told = gradus(
        dir.path(),
        &["predict", "tags", "Ann sees Bob3", "--top", "1"],
    );
    let words = lines(&told.out)[0]["words"].clone();
    let labels: Vec<&Value> = words
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["top"][0]["label"])
        .collect();
    assert_eq!(labels, ["N", "V", "N"]);
}

#[test]
fn folders_of_classes_are_trained_on_from_nothing() {
    let dir = with_files();
    for (class, word) in [("rain", "wet"), ("sun", "dry")] {
        let folder = dir.path().join("days").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..8 {
            fs::write(folder.join(format!("{i}.txt")), format!("a {word} day {i}")).unwrap();
        }
    }
    let task =
        format!("--task text-classification --train-file days {TINY_BERT} --lr 0.01 --epochs 20");
    let run = train(dir.path(), &format!("{task} --out folders"));
    assert_eq!(run["eval"]["classes"], serde_json::json!(["rain", "sun"]));
    assert_eq!(run["eval"]["accuracy"], 1.0);
}

#[test]
fn a_masked_model_goes_on_as_a_classifier_with_adapters_and_frozen_parts() {
    let dir = with_files();
    let task =
        format!("--task masked-language-model --train-file lines.txt {TINY_BERT} --out masked");
    let masked = train(dir.path(), &task);
    assert!(masked["eval"]["perplexity"].as_f64().unwrap() > 1.0);
    let base =
        "--task text-classification --train-file reviews.csv --from masked --set block_size=32";
    let frozen = train(
        dir.path(),
        &format!(
            "{base} --set freeze=[\"bert.*\"] --set layer_decay=0.9 --set recompute=true --out head"
        ),
    );
    let [before, after] = ["masked", "head"].map(|run| {
        let path = dir.path().join(run).join("model.safetensors");
        gradus_checkpoint::load_state_dict(path).unwrap().0
    });
    let of = |state: &[(String, gradus_tensor::Tensor)], name: &str| {
        let found = state.iter().find(|(key, _)| key == name).expect(name);
        found.1.to_vec::<f32>().unwrap()
    };
    let name = "bert.encoder.layer.0.attention.self.query.weight";
    assert_eq!(of(&before, name), of(&after, name), "frozen");
    assert!(frozen["eval"]["accuracy"].as_f64().is_some());
    let adapted = format!(
        "{base} --set lora_rank=2 --set lora_targets=[\"query\",\"value\"] --lr 0.01 --out adapted"
    );
    train(dir.path(), &adapted);
    let [adapter, adapted] =
        ["adapter/adapter_model.safetensors", "model.safetensors"].map(|file| {
            let path = dir.path().join("adapted").join(file);
            gradus_checkpoint::load_state_dict(path).unwrap().0
        });
    // what `masked` lacks started at random: it is trained in full, and kept with the adapters
    for name in ["classifier.bias", "bert.pooler.dense.bias"] {
        assert!(of(&adapted, name).iter().all(|&x| x != 0.0), "{name}");
        let kept = format!("base_model.model.{name}");
        assert_eq!(of(&adapter, &kept), of(&adapted, name));
    }
    assert_ne!(of(&before, name), of(&adapted, name), "merged");
    let key = "bert.encoder.layer.0.attention.self.key.weight";
    assert_eq!(of(&before, key), of(&adapted, key), "not adapted");
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let dir = with_files();
    let refused = |text: &str| {
        let all: Vec<&str> = words("train --json --threads 1")
            .into_iter()
            .chain(words(text))
            .collect();
        let ran = gradus(dir.path(), &all);
        let code = ran.code;
        ran.refused(code).to_owned()
    };
    assert!(refused("--task language-modell").contains("did you mean \"language-model\"?"));
    assert!(refused("--task language-model").contains("train_file: must be the file"));
    fs::write(dir.path().join("bad.txt"), b"good\n\xff\n").unwrap();
    fs::write(dir.path().join("empty.txt"), b" \n").unwrap();
    let language = "--task language-model --tokenizer char --train-file";
    for (file, what) in [
        ("bad.txt", "line 2"),
        ("empty.txt", "empty.txt"),
        ("none.txt", "cannot read none.txt"),
    ] {
        let text = refused(&format!("{language} {file}"));
        assert!(text.contains(what), "{file}: {text}");
    }
    fs::write(dir.path().join("header.csv"), "text,label\n").unwrap();
    fs::write(dir.path().join("nothing.jsonl"), "").unwrap();
    for words in [
        "--task text-classification --train-file header.csv",
        "--task text-classification --train-file reviews.csv --eval-file header.csv",
        "--task text-classification --train-file nothing.jsonl",
        "--task token-classification --train-file nothing.jsonl",
    ] {
        let text = refused(words);
        assert!(text.contains("has no texts"), "{words}: {text}");
    }
    let text = refused("--task text-classification --train-file reviews.csv --from .");
    assert!(
        text.contains("config.json") || text.contains("tokenizer"),
        "{text}"
    );
    let text =
        refused("--task text-classification --train-file reviews.csv --set label_column=stars");
    assert!(text.contains("stars"), "{text}");
    assert!(refused(&format!("{language} prose.txt --model bert")).contains("causal"));
}
