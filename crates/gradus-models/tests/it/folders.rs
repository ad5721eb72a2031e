//! Folders that are not as they should be, and folders that are written.

use std::fs;
use std::path::Path;

use gradus_autograd::{DType, Tensor, no_grad};
use gradus_checkpoint::{Metadata, StateDict, load_state_dict, save_state_dict};
use gradus_models::{FolderConfig, Head, ModelError, build_text, export, open_pretrained};
use gradus_nn::ParamStore;
use serde_json::{Map, Value, json};

use crate::golden::{EVAL, Trace, folder};

/// The configuration of BERT's golden folder, with other keys.
pub(crate) fn config(changes: Value) -> FolderConfig {
    let mut config = FolderConfig::open(&folder("bert-masked-lm")).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        config = config.with(key, value.clone());
    }
    config
}

#[track_caller]
fn refused(config: &FolderConfig, head: Head, parts: &[&str]) {
    let store = ParamStore::seeded(0);
    let error = build_text(config, head, &store.root())
        .err()
        .expect("a refusal");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn configurations_that_no_model_takes_are_refused_with_the_key() {
    let cases: &[(Value, &[&str])] = &[
        (
            json!({"model_type": "bart"}),
            &[
                "config.json",
                "model_type",
                "bert, roberta, distilbert, gpt2",
                "\"bart\"",
            ],
        ),
        (json!({"model_type": null}), &["has no \"model_type\""]),
        (
            json!({"hidden_size": null}),
            &["has no \"hidden_size\"", "an integer"],
        ),
        (
            json!({"hidden_size": -3}),
            &["hidden_size", "an integer of at least 1", "-3"],
        ),
        (
            json!({"hidden_size": 30}),
            &["hidden_size", "a multiple of num_attention_heads, 4", "30"],
        ),
        (
            json!({"num_attention_heads": 0}),
            &[
                "\"num_attention_heads\" must be an integer of at least 1",
                "got 0",
            ],
        ),
        (
            json!({"num_hidden_layers": 1e9 as u64}),
            &["num_hidden_layers", "at most 10000"],
        ),
        (
            json!({"hidden_act": "softplus"}),
            &["hidden_act", "gelu", "softplus"],
        ),
        (
            json!({"hidden_dropout_prob": 1.5}),
            &["hidden_dropout_prob", "0..=1", "1.5"],
        ),
        (
            json!({"layer_norm_eps": "small"}),
            &["layer_norm_eps", "a finite number", "small"],
        ),
        (
            json!({"pad_token_id": 99}),
            &["pad_token_id", "below vocab_size, 43"],
        ),
        (
            json!({"position_embedding_type": "relative_key"}),
            &["position_embedding_type", "absolute"],
        ),
        (
            json!({"is_decoder": true}),
            &["is_decoder", "only encoders"],
        ),
        (
            json!({"tie_word_embeddings": false}),
            &["tie_word_embeddings"],
        ),
        (
            json!({"model_type": "vit"}),
            &["model vit", "no text model"],
        ),
    ];
    for (changes, parts) in cases {
        refused(&config(changes.clone()), Head::MaskedLm, parts);
    }
    refused(
        &config(json!({})),
        Head::CausalLm,
        &["model bert", "causal language model", "pooled"],
    );
    let none = Head::SequenceClassification { labels: vec![] };
    refused(&config(json!({})), none, &["at least one label"]);
    let gap = config(
        json!({"architectures": ["BertForTokenClassification"], "id2label": {"0": "a", "2": "b"}}),
    );
    assert!(
        Head::of(&gap)
            .unwrap_err()
            .to_string()
            .contains("without a gap")
    );
}

#[test]
fn folders_without_a_readable_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |part: &str| {
        let message = FolderConfig::open(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("config.json") && message.contains(part),
            "{message}"
        );
    };
    refused("cannot be read");
    fs::write(folder.path().join("config.json"), "[1]").unwrap();
    refused("is not a JSON object");
    fs::write(folder.path().join("config.json"), "[".repeat(100_000)).unwrap();
    refused("is not a JSON object");
}

/// A folder with this configuration and these weights.
pub(crate) fn written(config: &Map<String, Value>, weights: &StateDict) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = Value::from(config.clone()).to_string();
    fs::write(folder.path().join("config.json"), text).unwrap();
    save_state_dict(
        folder.path().join("model.safetensors"),
        weights,
        &Metadata::new(),
    )
    .unwrap();
    folder
}

pub(crate) fn golden_weights(case: &str) -> StateDict {
    load_state_dict(folder(case).join("model.safetensors"))
        .unwrap()
        .0
}

#[test]
fn all_that_does_not_fit_is_refused_together() {
    let mut weights = golden_weights("bert-masked-lm");
    let take = |weights: &mut StateDict, name: &str| {
        let at = weights.iter().position(|(other, _)| other == name).unwrap();
        weights.remove(at)
    };
    take(&mut weights, "bert.embeddings.LayerNorm.bias");
    let (name, _) = take(&mut weights, "bert.encoder.layer.0.output.dense.weight");
    weights.push((name, Tensor::zeros([3, 3], DType::F32).unwrap()));
    weights.push((
        "bert.encoder.layer.7.x".into(),
        Tensor::zeros([1], DType::F32).unwrap(),
    ));
    let folder = written(config(json!({})).keys(), &weights);
    let error = open_pretrained(folder.path(), Head::MaskedLm)
        .err()
        .unwrap();
    let message = error.to_string();
    for part in [
        "model.safetensors",
        "bert.embeddings.LayerNorm.bias",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.7.x",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(matches!(error, ModelError::Checkpoint(_)));
}

#[test]
fn old_names_and_repeated_parameters_are_read() {
    let case = "bert-masked-lm";
    let mut weights = golden_weights(case);
    let table = weights
        .iter()
        .find(|(name, _)| name.ends_with("word_embeddings.weight"));
    let table = table.unwrap().1.clone();
    let bias = weights
        .iter()
        .find(|(name, _)| name == "cls.predictions.bias")
        .unwrap()
        .1
        .clone();
    for (name, _) in &mut weights {
        for (new, old) in [
            ("LayerNorm.weight", "LayerNorm.gamma"),
            ("LayerNorm.bias", "LayerNorm.beta"),
        ] {
            *name = name.replace(new, old);
        }
    }
    weights.push(("cls.predictions.decoder.weight".into(), table));
    weights.push(("cls.predictions.decoder.bias".into(), bias));
    weights.push((
        "bert.embeddings.position_ids".into(),
        Tensor::zeros([1, 20], DType::I64).unwrap(),
    ));
    let folder = written(config(json!({})).keys(), &weights);
    let model = open_pretrained(folder.path(), Head::MaskedLm).unwrap();
    assert!(model.fresh.is_empty() && model.unused.is_empty());
    let trace = Trace::open(case);
    let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
    let logits = model.model.forward(tokens, Some(mask), &EVAL).unwrap();
    crate::golden::close(case, logits.tensor(), trace.get("logits"), 1e-5);
}

#[test]
fn one_parameter_under_two_names_is_refused() {
    let mut weights = golden_weights("bert-masked-lm");
    let bias = Tensor::zeros([32], DType::F32).unwrap();
    weights.push(("embeddings.LayerNorm.bias".into(), bias));
    let folder = written(config(json!({})).keys(), &weights);
    let error = open_pretrained(folder.path(), Head::MaskedLm)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("embeddings.LayerNorm.bias"), "{error}");
}

#[test]
fn exported_folders_open_again_with_the_same_scores() {
    let labels = vec![String::from("down"), String::from("up")];
    let heads = [
        Head::None,
        Head::Pooled,
        Head::MaskedLm,
        Head::SequenceClassification {
            labels: labels.clone(),
        },
        Head::TokenClassification { labels },
    ];
    for case in [
        "bert-masked-lm",
        "roberta-masked-lm",
        "distilbert-masked-lm",
    ] {
        for head in &heads {
            let opened = open_pretrained(&folder(case), head.clone()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let to = folder.path().join("new");
            export(&to, opened.model.as_ref(), &opened.store).unwrap();
            let config = FolderConfig::open(&to).unwrap();
            assert_eq!(config.text("dtype").unwrap(), "float32");
            if *head != Head::Pooled {
                assert_eq!(Head::of(&config).unwrap(), *head);
            }
            let again = open_pretrained(&to, head.clone()).unwrap();
            assert!(
                again.fresh.is_empty() && again.unused.is_empty(),
                "{case} {head:?}"
            );
            let trace = Trace::open(case);
            let run = |model: &gradus_models::Pretrained| {
                let logits = model
                    .model
                    .forward(trace.get("tokens"), None, &EVAL)
                    .unwrap();
                logits.tensor().to_vec::<f32>().unwrap()
            };
            assert_eq!(run(&opened), run(&again), "{case} {head:?}");
        }
    }
}

#[test]
fn export_says_where_it_cannot_write() {
    let opened = open_pretrained(&folder("bert-tokens"), Head::None).unwrap();
    let place = tempfile::NamedTempFile::new().unwrap();
    let error = export(
        &place.path().join("x"),
        opened.model.as_ref(),
        &opened.store,
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains(&place.path().display().to_string()),
        "{message}"
    );
}

#[test]
fn tokens_and_masks_that_do_not_fit_are_refused_before_anything_is_computed() {
    let model = open_pretrained(&folder("roberta-masked-lm"), Head::MaskedLm)
        .unwrap()
        .model;
    assert_eq!((model.max_positions(), model.vocab_size()), (Some(18), 43));
    let refused = |tokens: &[i64], mask: Option<Tensor>, parts: &[&str]| {
        let tokens = Tensor::from_slice(tokens, [1, tokens.len()]).unwrap();
        let error = model.forward(&tokens, mask.as_ref(), &EVAL).unwrap_err();
        let message = error.to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    };
    refused(
        &[3, 43],
        None,
        &["tokenizer", "index 43 at position 1 is outside 0..43"],
    );
    refused(&[-1], None, &["index -1 at position 0"]);
    refused(&[5; 19], None, &["18 positions", "19"]);
    refused(
        &[5; 3],
        Some(Tensor::ones([1, 2], DType::Bool).unwrap()),
        &["mask", "(1, 3)", "(1, 2)"],
    );
    refused(
        &[5; 3],
        Some(Tensor::ones([1, 3], DType::F32).unwrap()),
        &["mask", "bool"],
    );
    let flat = Tensor::from_slice(&[3_i64], [1]).unwrap();
    assert!(model.forward(&flat, None, &EVAL).is_err());
    let longest = Tensor::from_slice(&[5_i64; 18], [1, 18]).unwrap();
    assert_eq!(
        model.forward(&longest, None, &EVAL).unwrap().dims(),
        [1, 18, 43]
    );
}

#[test]
fn folders_without_weights_name_the_file() {
    let empty = tempfile::tempdir().unwrap();
    fs::copy(
        folder("bert-tokens").join("config.json"),
        empty.path().join("config.json"),
    )
    .unwrap();
    let error = open_pretrained(empty.path(), Head::None)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(&Path::new("model.safetensors").display().to_string()),
        "{error}"
    );
}

#[test]
fn weights_in_shards_are_read_as_one() {
    let case = "distilbert-tokens";
    let to = tempfile::tempdir().unwrap();
    fs::copy(
        folder(case).join("config.json"),
        to.path().join("config.json"),
    )
    .unwrap();
    let weights = golden_weights(case);
    let mut map = Map::new();
    for (i, part) in weights.chunks(weights.len().div_ceil(3)).enumerate() {
        let name = format!("model-{:05}-of-00003.safetensors", i + 1);
        save_state_dict(to.path().join(&name), part, &Metadata::new()).unwrap();
        map.extend(
            part.iter()
                .map(|(key, _)| (key.clone(), name.as_str().into())),
        );
    }
    let index = json!({"metadata": {}, "weight_map": map}).to_string();
    fs::write(to.path().join("model.safetensors.index.json"), index).unwrap();
    let head = Head::of(&FolderConfig::open(to.path()).unwrap()).unwrap();
    let opened = open_pretrained(to.path(), head).unwrap();
    assert!(opened.fresh.is_empty() && opened.unused.is_empty());
    let trace = Trace::open(case);
    let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
    let logits = opened.model.forward(tokens, Some(mask), &EVAL).unwrap();
    crate::golden::close(case, logits.tensor(), trace.get("logits"), 1e-5);
}

#[test]
fn inference_within_no_grad_records_nothing() {
    let tokens = Tensor::from_slice(&[1_i64, 2, 3], [1, 3]).unwrap();
    let gpt2 = json!({"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 9, "n_positions": 4});
    let llama = json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "vocab_size": 9});
    let keys = |keys: Value| FolderConfig::new(keys.as_object().unwrap().clone());
    for config in [config(json!({})), keys(gpt2), keys(llama)] {
        let store = ParamStore::seeded(0);
        let model = build_text(&config, Head::None, &store.root()).unwrap();
        let run = || model.forward(&tokens, None, &EVAL).unwrap();
        let (recorded, plain) = (run(), no_grad(run));
        assert!(recorded.requires_grad() && !plain.requires_grad());
        let values = [recorded, plain].map(|x| x.tensor().to_vec::<f32>().unwrap());
        assert_eq!(values[0], values[1]);
    }
}

#[test]
fn a_head_that_the_folder_lacks_starts_as_in_a_fresh_model() {
    let labels = vec![String::from("down"), String::from("up")];
    let head = Head::SequenceClassification { labels };
    let opened = open_pretrained(&folder("bert-masked-lm"), head.clone()).unwrap();
    let fresh = ParamStore::seeded(0);
    build_text(&opened.config, head, &fresh.root()).unwrap();
    let weights = golden_weights("bert-masked-lm");
    for ((name, opened_value), (_, value)) in
        opened.store.state_dict().iter().zip(fresh.state_dict())
    {
        let given = weights.iter().find(|(other, _)| other == name);
        assert_eq!(given.is_none(), opened.fresh.contains(name), "{name}");
        let want = given.map_or(&value, |(_, given)| given);
        let [got, want] = [opened_value, want].map(|x| x.to_vec::<f32>().unwrap());
        assert_eq!(got, want, "{name}");
    }
    assert!(opened.fresh.contains(&"classifier.weight".to_owned()));
}
