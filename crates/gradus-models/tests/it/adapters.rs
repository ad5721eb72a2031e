//! LoRA adapters against PEFT's, whose generator is `golden/make_lora.py`.

use std::path::PathBuf;

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{DType, Tensor, Var};
use gradus_checkpoint::{StateDict, load_state_dict};
use gradus_models::{
    Head, ModelError, OpenConfig, Pretrained, export, open_adapted, open_pretrained,
    open_with_adapter, read_lora, save_adapter,
};
use gradus_nn::{Ctx, LoraConfig, is_adapter_key};

fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(path)
}

fn file(path: PathBuf) -> StateDict {
    let mut state = load_state_dict(path).unwrap().0;
    state.sort_by(|a, b| a.0.cmp(&b.0));
    state
}

fn tensor(state: &StateDict, key: &str) -> Tensor {
    let found = state.iter().find(|(own, _)| own == key);
    found.unwrap_or_else(|| panic!("no {key}")).1.clone()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

#[track_caller]
fn close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (values(got), values(want));
    let scale = want.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    for (g, w) in got.iter().zip(&want) {
        assert!((g - w).abs() <= tolerance * scale, "{what}: {g}, PEFT {w}");
    }
}

fn base(name: &str) -> PathBuf {
    golden("decoders").join(name)
}

fn adapter(name: &str) -> PathBuf {
    golden("lora").join(name)
}

fn tokens(name: &str) -> Tensor {
    tensor(&file(base(name).join("trace.safetensors")), "tokens")
}

fn adapted(name: &str) -> Pretrained {
    let options = OpenConfig::default();
    open_with_adapter(&base(name), &adapter(name), Head::CausalLm, &options).unwrap()
}

fn logits(found: &Pretrained, name: &str) -> Var {
    let run = found.model.forward(&tokens(name), None, &Ctx::eval());
    run.unwrap()
}

fn loss(found: &Pretrained, name: &str) -> Var {
    let (logits, tokens) = (logits(found, name), tokens(name));
    let [batch, places, vocab] = logits.shape().to_array("loss").unwrap();
    let rows = batch * (places - 1);
    let logits = logits.narrow(1, 0, places - 1).unwrap();
    let next = tokens.narrow(1, 1, places - 1).unwrap();
    let logits = logits.reshape([rows, vocab]).unwrap();
    let next = next.reshape([rows]).unwrap();
    logits
        .cross_entropy(&next, &CrossEntropyConfig::default())
        .unwrap()
}

#[test]
fn adapters_of_peft_give_its_logits_loss_and_gradients() {
    for name in ["gpt2", "llama"] {
        let trace = file(adapter(name).join("trace.safetensors"));
        let found = adapted(name);
        let y = logits(&found, name);
        close(name, y.tensor(), &tensor(&trace, "logits"), 1e-5);
        let loss = loss(&found, name);
        close(name, loss.tensor(), &tensor(&trace, "loss"), 1e-5);
        let grads = loss.backward().unwrap();
        let mut trained = 0;
        for parameter in found.store.parameters() {
            let key = format!("grad.{}", parameter.name());
            let wanted = trace.iter().find(|(own, _)| *own == key);
            assert_eq!(parameter.trainable(), wanted.is_some(), "{name}: {key}");
            if let Some((_, want)) = wanted {
                close(&key, grads.get(&parameter).unwrap(), want, 1e-4);
                trained += 1;
            }
        }
        let in_trace = trace.iter().filter(|(key, _)| key.starts_with("grad."));
        assert_eq!(trained, in_trace.count(), "{name}");
    }
}

#[test]
fn merged_models_give_the_same_and_are_exported_without_adapters() {
    for name in ["gpt2", "llama"] {
        let trace = file(adapter(name).join("trace.safetensors"));
        let found = adapted(name);
        found.store.merge_adapters().unwrap();
        let merged = tensor(&trace, "merged");
        close(name, logits(&found, name).tensor(), &merged, 1e-5);
        let to = tempfile::tempdir().unwrap();
        export(to.path(), found.model.as_ref(), &found.store).unwrap();
        let again = open_pretrained(to.path(), Head::CausalLm).unwrap();
        assert!(
            again
                .store
                .keys()
                .iter()
                .all(|(key, _)| !is_adapter_key(key))
        );
        close(name, logits(&again, name).tensor(), &merged, 1e-5);
    }
}

#[test]
fn written_adapters_have_the_files_of_peft() {
    for name in ["gpt2", "llama"] {
        let lora = read_lora(&adapter(name)).unwrap();
        let to = tempfile::tempdir().unwrap();
        let found = adapted(name);
        let task = Some("CAUSAL_LM");
        save_adapter(to.path(), &found.store, &lora, Some("base"), task).unwrap();
        let written = file(to.path().join("adapter_model.safetensors"));
        let own = file(adapter(name).join("adapter_model.safetensors"));
        assert_eq!(written.len(), own.len());
        for ((got, x), (want, y)) in written.iter().zip(&own) {
            assert_eq!((got, values(x)), (want, values(y)), "{name}");
        }
        assert_eq!(read_lora(to.path()).unwrap(), lora);
        let json = |path: PathBuf| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        let written = json(to.path().join("adapter_config.json"));
        let own = json(adapter(name).join("adapter_config.json"));
        for (key, value) in own.as_object().unwrap() {
            let same = written[key] == *value || written[key].as_f64() == value.as_f64();
            assert!(same, "{name}: {key} is {}, PEFT's {value}", written[key]);
        }
        let again = open_with_adapter(
            &base(name),
            to.path(),
            Head::CausalLm,
            &OpenConfig::default(),
        )
        .unwrap();
        assert_eq!(
            values(logits(&again, name).tensor()),
            values(logits(&found, name).tensor())
        );
    }
}

#[test]
fn patterns_are_written_as_the_paths_that_they_picked() {
    let lora = LoraConfig {
        targets: vec!["*.1.*.?_proj".to_owned()],
        ..LoraConfig::default()
    };
    let options = OpenConfig::default();
    let found = open_adapted(&base("llama"), Head::CausalLm, &options, &lora).unwrap();
    let to = tempfile::tempdir().unwrap();
    save_adapter(to.path(), &found.store, &lora, None, None).unwrap();
    let picked = ["q", "k", "v", "o"].map(|x| format!("model.layers.1.self_attn.{x}_proj"));
    assert_eq!(read_lora(to.path()).unwrap().targets, picked);
}

#[test]
fn adapters_that_fit_no_layer_or_ask_for_more_are_refused() {
    let options = OpenConfig::default();
    let lora = LoraConfig {
        targets: vec!["query".to_owned()],
        ..LoraConfig::default()
    };
    let refused = open_adapted(&base("llama"), Head::CausalLm, &options, &lora);
    let error = refused.err().unwrap();
    assert!(matches!(error, ModelError::NoTarget { .. }));
    let message = error.to_string();
    assert!(
        message.contains("query") && message.contains("q_proj"),
        "{message}"
    );
    assert!(!message.contains("embed_tokens"), "{message}");

    let with = |key: &str, value: serde_json::Value| {
        let to = tempfile::tempdir().unwrap();
        let path = adapter("gpt2").join("adapter_config.json");
        let mut json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        json[key] = value;
        std::fs::write(to.path().join("adapter_config.json"), json.to_string()).unwrap();
        read_lora(to.path()).unwrap_err().to_string()
    };
    for (key, value) in [
        ("peft_type", "IA3".into()),
        ("bias", "all".into()),
        ("use_dora", true.into()),
        ("rank_pattern", serde_json::json!({"c_attn": 4})),
        ("layers_to_transform", serde_json::json!([1])),
        ("target_modules", "all-linear".into()),
        ("r", "many".into()),
    ] {
        let error = with(key, value);
        assert!(error.contains(key), "{key}: {error}");
    }
    assert!(read_lora(&base("llama")).is_err());
}

#[test]
fn an_adapter_of_another_model_is_refused_with_all_names() {
    let to = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(adapter("gpt2").join(name), to.path().join(name)).unwrap();
    }
    let mut lora = read_lora(to.path()).unwrap();
    lora.targets = vec!["c_attn".to_owned()];
    let found = open_adapted(&base("gpt2"), Head::CausalLm, &OpenConfig::default(), &lora).unwrap();
    let before = found.store.state_dict();
    let error = gradus_models::load_adapter(to.path(), &found.store, &lora).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("transformer.h.0.mlp.c_proj.lora_A.weight"),
        "{message}"
    );
    for ((_, a), (_, b)) in before.iter().zip(found.store.state_dict()) {
        assert_eq!(values(a), values(&b));
    }
}
