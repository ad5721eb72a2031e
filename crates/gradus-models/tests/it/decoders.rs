//! GPT-2, LLaMA, Qwen2 and Mistral against traces of transformers, whose generator is `golden/make_decoders.py`.

use std::path::PathBuf;

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{DType, Gradients, Tensor, Var};
use gradus_checkpoint::load_state_dict;
use gradus_linalg::threads::with_threads;
use gradus_models::{
    CausalLm, Finish, FolderConfig, GenerateConfig, Head, KvCache, ModelError, OpenConfig,
    Pretrained, TextModel, build_text, export, generate, load_text_weights, open_pretrained,
    open_pretrained_with,
};
use gradus_nn::{Ctx, ParamStore};
use gradus_optim::{Adam, AdamConfig, Optimizer};

fn folder(name: &str) -> PathBuf {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoders");
    golden.join(name)
}

/// A tensor of a trace.
fn traced(name: &str, key: &str) -> Tensor {
    let (state, _) = load_state_dict(folder(name).join("trace.safetensors")).unwrap();
    let found = state.into_iter().find(|(own, _)| own == key);
    found.unwrap_or_else(|| panic!("{name} has no {key}")).1
}

/// The model of a folder; scalings of rotary positions have the weights of `llama`.
fn open(name: &str) -> Pretrained {
    if !name.starts_with("llama-") {
        let found = open_pretrained(&folder(name), Head::CausalLm).unwrap();
        assert_eq!((found.fresh.len(), found.unused.len()), (0, 0), "{name}");
        return found;
    }
    let config = FolderConfig::open(&folder(name)).unwrap();
    let store = ParamStore::seeded(0);
    let model = build_text(&config, Head::CausalLm, &store.root()).unwrap();
    let path = folder("llama").join("model.safetensors");
    let (state, _) = load_state_dict(&path).unwrap();
    load_text_weights(&store, model.as_ref(), state, &path).unwrap();
    let (fresh, unused) = (Vec::new(), Vec::new());
    Pretrained {
        store,
        model,
        config,
        fresh,
        unused,
    }
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
        let bound = tolerance * scale.max(f64::MIN_POSITIVE);
        assert!((g - w).abs() <= bound, "{what}: {g}, transformers {w}");
    }
}

/// The loss of the next tokens, as transformers takes it.
fn loss(model: &dyn TextModel, tokens: &Tensor) -> Var {
    let [batch, places] = tokens.shape().to_array("loss").unwrap();
    let logits = model.forward(tokens, None, &Ctx::eval()).unwrap();
    let logits = logits.narrow(1, 0, places - 1).unwrap();
    let logits = logits
        .reshape([batch * (places - 1), model.vocab_size()])
        .unwrap();
    let next = tokens.narrow(1, 1, places - 1).unwrap();
    let next = next.reshape([batch * (places - 1)]).unwrap();
    logits
        .cross_entropy(&next, &CrossEntropyConfig::default())
        .unwrap()
}

fn compare_gradients(name: &str, found: &Pretrained, grads: &Gradients) {
    for parameter in found.store.parameters() {
        let what = format!("{name}: gradient of {}", parameter.name());
        let want = traced(name, &format!("grad.{}", parameter.name()));
        close(&what, grads.get(&parameter).unwrap(), &want, 1e-4);
    }
}

#[test]
fn logits_loss_gradients_and_steps_are_those_of_transformers() {
    for name in ["gpt2", "llama"] {
        let found = open(name);
        let tokens = traced(name, "tokens");
        let first = loss(found.model.as_ref(), &tokens);
        close(
            &format!("{name}: loss"),
            first.tensor(),
            &traced(name, "loss"),
            1e-5,
        );
        compare_gradients(name, &found, &first.backward().unwrap());
        let mut optimizer = Adam::new(AdamConfig::adamw()).unwrap();
        for (step, want) in values(&traced(name, "losses")).into_iter().enumerate() {
            let loss = loss(found.model.as_ref(), &tokens);
            let got = f64::from(loss.item::<f32>().unwrap());
            assert!(
                (got - want).abs() < 1e-3,
                "{name}, step {step}: {got}, {want}"
            );
            let grads = loss.backward().unwrap();
            optimizer.step(&found.store.parameters(), &grads).unwrap();
        }
    }
}

#[test]
fn logits_of_every_family_and_scaling_are_those_of_transformers() {
    let all = [
        "gpt2",
        "llama",
        "llama-linear",
        "llama-dynamic",
        "llama-llama3",
        "llama-yarn",
        "qwen2",
        "mistral",
    ];
    for name in all {
        let found = open(name);
        let run = |key: &str| {
            let logits = found.model.forward(&traced(name, key), None, &Ctx::eval());
            logits.unwrap().into_tensor()
        };
        close(name, &run("tokens"), &traced(name, "logits"), 1e-5);
        close(
            name,
            loss(found.model.as_ref(), &traced(name, "tokens")).tensor(),
            &traced(name, "loss"),
            1e-5,
        );
        if name.starts_with("llama") {
            close(
                name,
                &run("long_tokens"),
                &traced(name, "long_logits"),
                1e-4,
            );
        }
    }
    // the scalings do something
    let plain = traced("llama", "long_logits");
    for name in &all[2..6] {
        assert_ne!(
            values(&plain),
            values(&traced(name, "long_logits")),
            "{name}"
        );
    }
}

#[test]
fn padding_on_either_side_is_not_seen() {
    for name in ["gpt2", "llama"] {
        let (found, tokens) = (open(name), traced(name, "tokens"));
        let mask = traced(name, "mask").to_dtype(DType::Bool).unwrap();
        let want = traced(name, "masked_logits");
        let got = found.model.forward(&tokens, Some(&mask), &Ctx::eval());
        let got = got.unwrap().into_tensor();
        let real = |x: &Tensor| {
            let first = x.select(0, 0).unwrap().narrow(0, 3, 8).unwrap();
            let second = x.select(0, 1).unwrap().narrow(0, 0, 8).unwrap();
            [first, second]
        };
        for (got, want) in real(&got).iter().zip(&real(&want)) {
            close(name, got, want, 1e-5);
        }
    }
}

#[test]
fn recomputation_gives_the_same_bits() {
    for name in ["gpt2", "llama"] {
        let tokens = traced(name, "tokens");
        let grads = |recompute| {
            let options = OpenConfig {
                recompute,
                ..OpenConfig::default()
            };
            let found = open_pretrained_with(&folder(name), Head::CausalLm, &options).unwrap();
            let ctx = Ctx::train(1, 2);
            let logits = found.model.forward(&tokens, None, &ctx).unwrap();
            let grads = logits.sum(&[], false).unwrap().backward().unwrap();
            let all = found.store.parameters();
            let of = |p| values(grads.get(p).unwrap());
            all.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(grads(false), grads(true), "{name}");
    }
}

fn ids(x: &Tensor) -> Vec<u32> {
    let all = x.to_vec::<i64>().unwrap();
    all.into_iter()
        .map(|id| u32::try_from(id).unwrap())
        .collect()
}

fn causal(found: &Pretrained) -> &dyn CausalLm {
    found.model.as_causal().unwrap()
}

fn made(model: &dyn CausalLm, prompts: &[Vec<u32>], config: &GenerateConfig) -> Vec<Vec<u32>> {
    let made = generate(model, prompts, config, &mut |_, _| true).unwrap();
    made.into_iter().map(|text| text.tokens).collect()
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for name in ["gpt2", "llama", "qwen2", "mistral"] {
        let found = open(name);
        let prompt = vec![ids(&traced(name, "prompt"))];
        let greedy = GenerateConfig {
            max_tokens: 12,
            ..GenerateConfig::default()
        };
        let want = ids(&traced(name, "greedy"));
        assert_eq!(made(causal(&found), &prompt, &greedy), [want], "{name}");
        let penalised = GenerateConfig {
            repetition_penalty: 1.3,
            ..greedy
        };
        let want = ids(&traced(name, "penalised"));
        assert_eq!(made(causal(&found), &prompt, &penalised), [want], "{name}");
    }
}

/// Prompts of different lengths, two of them equal.
fn prompts() -> Vec<Vec<u32>> {
    let mut prompts: Vec<Vec<u32>> = [1, 7, 3, 5, 2]
        .iter()
        .map(|&len| (0..len).map(|i| (i * i * 7 + len * 5) % 61).collect())
        .collect();
    prompts.push(prompts[2].clone());
    prompts
}

#[test]
fn cache_company_and_threads_change_no_token() {
    for name in ["gpt2", "llama", "llama-dynamic", "llama-yarn", "mistral"] {
        let found = open(name);
        let model = causal(&found);
        for temperature in [0.0, 1.0] {
            let config = GenerateConfig {
                max_tokens: 9,
                temperature,
                top_k: Some(20),
                top_p: 0.95,
                seed: 5,
                stop: vec![11],
                ..GenerateConfig::default()
            };
            let together = made(model, &prompts(), &config);
            let without = GenerateConfig {
                use_cache: false,
                ..config.clone()
            };
            assert_eq!(made(model, &prompts(), &without), together, "{name}");
            for threads in [1, 3] {
                let again = with_threads(threads, || made(model, &prompts(), &config));
                assert_eq!(again, together, "{name}, {threads} threads");
            }
            // the last prompt repeats another, and then has random numbers of its own
            for (prompt, want) in prompts().iter().zip(&together).take(5) {
                let alone = made(model, std::slice::from_ref(prompt), &config);
                assert_eq!(&alone[0], want, "{name}");
            }
            assert_eq!(temperature == 0.0, together[2] == together[5], "{name}");
        }
    }
}

#[test]
fn texts_end_by_stop_length_positions_and_wish() {
    let found = open("gpt2");
    let model = causal(&found);
    let config = GenerateConfig {
        max_tokens: 100,
        ..GenerateConfig::default()
    };
    let run = |config: &GenerateConfig, on_token: &mut dyn FnMut(usize, u32) -> bool| {
        let text = generate(model, &[vec![1, 2, 3]], config, on_token).unwrap();
        (text[0].finish, text[0].tokens.clone())
    };
    let (finish, all) = run(&config, &mut |_, _| true);
    assert_eq!((finish, all.len()), (Finish::Positions, 29));
    let few = GenerateConfig {
        max_tokens: 4,
        ..config.clone()
    };
    assert_eq!(
        run(&few, &mut |_, _| true),
        (Finish::Length, all[..4].to_vec())
    );
    let stop = GenerateConfig {
        stop: vec![all[6]],
        ..config.clone()
    };
    let end = 1 + all.iter().position(|id| *id == all[6]).unwrap();
    assert_eq!(
        run(&stop, &mut |_, _| true),
        (Finish::Stop, all[..end].to_vec())
    );
    let mut count = 0;
    let (finish, tokens) = run(&config, &mut |prompt, _| {
        count += 1;
        prompt == 0 && count < 3
    });
    assert_eq!((finish, tokens), (Finish::Cancelled, all[..3].to_vec()));
    let none = GenerateConfig {
        max_tokens: 0,
        ..config
    };
    assert_eq!(run(&none, &mut |_, _| true), (Finish::Length, Vec::new()));
}

#[test]
fn prompts_and_options_that_make_no_sense_are_refused() {
    let found = open("gpt2");
    let message = |prompt: Vec<u32>, config: &GenerateConfig| {
        let prompts = [vec![1], prompt];
        let error = generate(causal(&found), &prompts, config, &mut |_, _| true);
        error.unwrap_err().to_string()
    };
    let plain = GenerateConfig::default();
    for (prompt, part) in [
        (vec![], "prompt 1: an empty prompt"),
        (vec![1, 61], "prompt 1: generate"),
        (vec![1; 32], "prompt 1: the model has 32 positions"),
        (vec![1; 1 << 20], "prompt 1: the model has 32 positions"),
    ] {
        let error = message(prompt, &plain);
        assert!(error.starts_with(part), "{error}");
    }
    let with = |change: fn(&mut GenerateConfig)| {
        let mut config = plain.clone();
        change(&mut config);
        message(vec![1], &config)
    };
    assert!(with(|c| c.temperature = -1.0).contains("temperature"));
    assert!(with(|c| c.temperature = f64::NAN).contains("temperature"));
    assert!(with(|c| c.top_p = 0.0).contains("top_p"));
    assert!(with(|c| c.min_p = 2.0).contains("min_p"));
    assert!(with(|c| c.top_k = Some(0)).contains("top_k"));
    assert!(with(|c| c.repetition_penalty = 0.0).contains("repetition_penalty"));
}

#[test]
fn tokens_and_lengths_that_the_model_lacks_are_refused_by_forward_and_step() {
    let found = open("gpt2");
    let tokens = |ids: &[i64]| Tensor::from_slice(ids, [1, ids.len()]).unwrap();
    let run = |ids: &[i64]| {
        let forward = found.model.forward(&tokens(ids), None, &Ctx::eval());
        let mut cache = KvCache::new(causal(&found).cache_layers(), vec![0]);
        let step = causal(&found).step(&tokens(ids), &mut cache, &Ctx::eval());
        [forward.unwrap_err(), step.unwrap_err()].map(|error| error.to_string())
    };
    for error in run(&[1, 99]) {
        assert!(error.contains("99") && error.contains("61"), "{error}");
    }
    for error in run(&[1; 33]) {
        assert!(error.contains("32 positions"), "{error}");
    }
    let none = Tensor::zeros([1, 0], DType::I64).unwrap();
    assert!(found.model.forward(&none, None, &Ctx::eval()).is_err());
    let mut cache = KvCache::new(2, vec![0, 0]);
    assert!(
        causal(&found)
            .step(&tokens(&[1]), &mut cache, &Ctx::eval())
            .is_err()
    );
}

#[test]
fn other_heads_run_and_carry_transformers_names() {
    let labels = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let tokens = traced("gpt2", "tokens");
    let mask = traced("gpt2", "mask").to_dtype(DType::Bool).unwrap();
    for (name, score) in [("gpt2", "classifier"), ("llama", "score")] {
        let run = |head: Head| {
            let found = open_pretrained(&folder(name), head).unwrap();
            let y = found.model.forward(&tokens, Some(&mask), &Ctx::eval());
            (found, y.unwrap())
        };
        let labels = || labels.clone();
        let (found, y) = run(Head::SequenceClassification { labels: labels() });
        assert_eq!(
            (y.dims(), &found.fresh[..]),
            (&[2, 3][..], &["score.weight".to_owned()][..])
        );
        assert!(found.model.as_causal().is_none());
        assert_eq!(found.model.config_json()["id2label"]["2"], "c");
        let (found, y) = run(Head::TokenClassification { labels: labels() });
        assert_eq!(y.dims(), [2, 11, 3]);
        assert_eq!(
            found.fresh,
            ["weight", "bias"].map(|part| format!("{score}.{part}"))
        );
        let (found, y) = run(Head::Pooled);
        let length = y.square().unwrap().sum(&[-1], false).unwrap();
        assert!(
            values(length.tensor())
                .iter()
                .all(|l| (l - 1.0).abs() < 1e-5)
        );
        assert!(
            found
                .store
                .keys()
                .iter()
                .all(|(key, _)| !key.starts_with("model."))
        );
        let (_, y) = run(Head::None);
        assert_eq!(y.dims(), [2, 11, found.model.width()]);
        let refused = open_pretrained(&folder(name), Head::MaskedLm)
            .err()
            .unwrap();
        assert!(matches!(refused, ModelError::Head { .. }), "{refused}");
    }
}

#[test]
fn the_score_of_a_sequence_is_that_of_its_last_real_token() {
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let head = Head::SequenceClassification { labels };
    let found = open_pretrained(&folder("llama"), head).unwrap();
    let tokens = traced("llama", "tokens");
    let mask = traced("llama", "mask").to_dtype(DType::Bool).unwrap();
    let all = found.model.forward(&tokens, Some(&mask), &Ctx::eval());
    let second = tokens.narrow(0, 1, 1).unwrap().narrow(1, 0, 8).unwrap();
    let alone = found.model.forward(&second, None, &Ctx::eval()).unwrap();
    let second = all.unwrap().narrow(0, 1, 1).unwrap();
    close("row 1", second.tensor(), alone.tensor(), 1e-5);
}

#[test]
fn exported_folders_open_again_with_the_same_names_and_logits() {
    for name in ["gpt2", "llama", "qwen2", "mistral"] {
        let found = open(name);
        let to = tempfile::tempdir().unwrap();
        export(to.path(), found.model.as_ref(), &found.store).unwrap();
        let names = |path: PathBuf| {
            let (state, _) = load_state_dict(path.join("model.safetensors")).unwrap();
            let mut names: Vec<String> = state.into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        };
        assert_eq!(names(to.path().into()), names(folder(name)), "{name}");
        let again = open_pretrained(to.path(), Head::CausalLm).unwrap();
        let tokens = traced(name, "tokens");
        let run = |found: &Pretrained| {
            let y = found.model.forward(&tokens, None, &Ctx::eval()).unwrap();
            values(y.tensor())
        };
        assert_eq!(run(&found), run(&again), "{name}");
    }
}

#[test]
fn fresh_weights_start_as_in_transformers() {
    let spread = |config: FolderConfig, name: &str| {
        let store = ParamStore::seeded(3);
        build_text(&config, Head::CausalLm, &store.root()).unwrap();
        let all = store.state_dict();
        let x = values(&all.iter().find(|(own, _)| own == name).unwrap().1);
        (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
    };
    let base = |name: &str| FolderConfig::open(&folder(name)).unwrap();
    for (name, parameter, want) in [
        ("gpt2", "transformer.wte.weight", 0.02),
        ("gpt2", "transformer.h.1.attn.c_attn.weight", 0.02),
        // two layers: four projections into the residual stream
        ("gpt2", "transformer.h.1.mlp.c_proj.weight", 0.01),
        ("gpt2", "transformer.h.0.mlp.c_proj.bias", 0.0),
        ("llama", "model.layers.0.self_attn.o_proj.weight", 0.02),
        ("llama", "model.norm.weight", 1.0),
        ("llama", "lm_head.weight", 0.02),
        ("qwen2", "model.layers.0.self_attn.q_proj.bias", 0.0),
    ] {
        let got = spread(base(name), parameter);
        // the standard error of the smallest, 1,024 numbers, is 2.2 % of it
        assert!(
            (got - want).abs() <= 0.08 * want,
            "{name}, {parameter}: {got}, {want}"
        );
    }
}

#[test]
fn configurations_that_a_model_cannot_take_are_refused_by_key() {
    let base = |name: &str| FolderConfig::open(&folder(name)).unwrap();
    let message = |config: FolderConfig| {
        let scope = ParamStore::seeded(0).root();
        let error = build_text(&config, Head::CausalLm, &scope).err().unwrap();
        error.to_string()
    };
    let rope = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        message(base("llama").with("rope_parameters", value))
    };
    for (error, key) in [
        (message(base("gpt2").with("n_head", 5)), "n_head"),
        (
            message(base("gpt2").with("activation_function", "sine")),
            "activation_function",
        ),
        (
            message(base("llama").with("num_key_value_heads", 3)),
            "num_key_value_heads",
        ),
        (message(base("llama").with("head_dim", 7)), "head_dim"),
        (
            message(base("mistral").with("sliding_window", 0)),
            "sliding_window",
        ),
        (
            message(base("gpt2").with("n_layer", 1_u64 << 40)),
            "n_layer",
        ),
        (
            message(base("llama").with("num_hidden_layers", 1_u64 << 40)),
            "num_hidden_layers",
        ),
        (
            message(base("llama").with("max_position_embeddings", 0)),
            "max_position_embeddings",
        ),
        (rope(r#"{"rope_type": "spiral"}"#), "rope_type"),
        (rope(r#"{"rope_type": "linear"}"#), "factor"),
        (rope(r#"{"rope_type": "linear", "factor": 0.5}"#), "factor"),
        (
            rope(r#"{"rope_type": "default", "rope_theta": -1}"#),
            "rope_theta",
        ),
        (
            rope(r#"{"rope_type": "default", "partial_rotary_factor": 0.5}"#),
            "partial_rotary_factor",
        ),
    ] {
        assert!(error.contains(key), "{key}: {error}");
    }
    assert!(rope(r#"{"rope_type": "spiral"}"#).contains("default, linear, dynamic, llama3, yarn"));
}
