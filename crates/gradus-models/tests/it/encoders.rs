//! BERT, RoBERTa and DistilBERT against transformers.

use gradus_autograd::{DType, Tensor};
use gradus_models::{
    Architecture, FolderConfig, Head, OpenConfig, Pretrained, build_text, open_pretrained,
    open_pretrained_with,
};
use gradus_nn::{Ctx, ParamStore};

use crate::golden::{EVAL, Trace, check_training, close, folder, lm_loss};

/// The head that the folder's configuration names.
fn open(case: &str) -> Pretrained {
    let head = Head::of(&FolderConfig::open(&folder(case)).unwrap()).unwrap();
    open_pretrained(&folder(case), head).unwrap()
}

#[test]
fn every_head_gives_the_scores_of_transformers() {
    for (kind, architecture) in [
        ("bert", Architecture::Bert),
        ("roberta", Architecture::Roberta),
        ("distilbert", Architecture::DistilBert),
    ] {
        for head in ["masked-lm", "sequence", "tokens"] {
            let case = format!("{kind}-{head}");
            let (model, trace) = (open(&case), Trace::open(&case));
            assert_eq!(model.model.architecture(), architecture);
            assert!(model.fresh.is_empty() && model.unused.is_empty(), "{case}");
            let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
            let logits = model.model.forward(tokens, Some(mask), &EVAL).unwrap();
            close(&case, logits.tensor(), trace.get("logits"), 1e-5);
        }
    }
}

#[test]
fn bert_learns_as_in_transformers() {
    for recompute in [false, true] {
        let options = OpenConfig {
            recompute,
            ..OpenConfig::default()
        };
        let case = "bert-masked-lm";
        let model = open_pretrained_with(&folder(case), Head::MaskedLm, &options).unwrap();
        let trace = Trace::open(case);
        check_training(&model, &trace, |model| {
            let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
            let logits = model.model.forward(tokens, Some(mask), &EVAL).unwrap();
            lm_loss(&logits, trace.get("labels"))
        });
    }
}

#[test]
fn the_base_of_a_model_with_a_head_is_read_without_its_prefix() {
    let model = open_pretrained(&folder("bert-masked-lm"), Head::None).unwrap();
    let trace = Trace::open("bert-masked-lm");
    assert_eq!(model.fresh, ["pooler.dense.weight", "pooler.dense.bias"]);
    assert!(model.unused.iter().all(|name| name.starts_with("cls.")) && model.unused.len() == 5);
    let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
    let hidden = model.model.forward(tokens, Some(mask), &EVAL).unwrap();
    close("hidden", hidden.tensor(), trace.get("hidden"), 1e-5);
}

/// One row of tokens and mask, without its padding.
fn row(trace: &Trace, row: usize) -> Tensor {
    let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
    let len = tokens.dims()[1];
    let real = mask.to_vec::<bool>().unwrap()[row * len..][..len]
        .iter()
        .filter(|&&real| real)
        .count();
    let tokens = &tokens.to_vec::<i64>().unwrap()[row * len..][..real];
    Tensor::from_slice(tokens, [1, real]).unwrap()
}

#[test]
fn a_padded_batch_is_pooled_as_its_sequences_alone() {
    for case in [
        "bert-masked-lm",
        "roberta-masked-lm",
        "distilbert-masked-lm",
    ] {
        let model = open_pretrained(&folder(case), Head::Pooled).unwrap().model;
        let trace = Trace::open(case);
        let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
        let all = model.forward(tokens, Some(mask), &EVAL).unwrap();
        let all = all.tensor().to_vec::<f32>().unwrap();
        for (i, of_batch) in all.chunks(model.width()).enumerate() {
            let alone = model.forward(&row(&trace, i), None, &EVAL).unwrap();
            let alone = alone.tensor().to_vec::<f32>().unwrap();
            let length: f32 = alone.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{case}: {length}");
            for (a, b) in alone.iter().zip(of_batch) {
                assert!((a - b).abs() < 1e-6, "{case}, row {i}: {a} {b}");
            }
        }
    }
}

#[test]
fn dropout_drops_in_training_and_repeats_with_its_step() {
    let model = open("distilbert-sequence").model;
    let trace = Trace::open("distilbert-sequence");
    let run = |ctx: &Ctx| {
        let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
        let logits = model.forward(tokens, Some(mask), ctx).unwrap();
        logits.tensor().to_vec::<f32>().unwrap()
    };
    assert_eq!(run(&Ctx::train(1, 2)), run(&Ctx::train(1, 2)));
    assert_ne!(run(&Ctx::train(1, 2)), run(&Ctx::train(1, 3)));
    assert_ne!(run(&Ctx::train(1, 2)), run(&EVAL));
}

#[test]
fn fresh_models_start_as_in_transformers() {
    let config = FolderConfig::open(&folder("bert-masked-lm")).unwrap();
    let store = ParamStore::seeded(3);
    build_text(&config, Head::MaskedLm, &store.root()).unwrap();
    for parameter in store.parameters() {
        let values = parameter.tensor().to_vec::<f32>().unwrap();
        let n = values.len() as f32;
        let spread = (values.iter().map(|x| x * x).sum::<f32>() / n).sqrt();
        let name = parameter.name();
        let wanted = match name {
            _ if name.ends_with("bias") => 0.0,
            _ if name.contains("LayerNorm") => 1.0,
            _ => 0.02,
        };
        // The spread of n normal values is off by 1 / sqrt(2 n), times five.
        let most = if wanted == 0.02 {
            0.1 / (2.0 * n).sqrt() + 1e-3
        } else {
            0.0
        };
        assert!(
            (spread - wanted).abs() <= most,
            "{name}: {spread}, not {wanted}"
        );
    }
    let table = &store.parameters()[0];
    assert_eq!(table.name(), "bert.embeddings.word_embeddings.weight");
    assert!(
        table.tensor().to_vec::<f32>().unwrap()[..32]
            .iter()
            .all(|&x| x == 0.0),
        "padding"
    );
}

#[test]
fn double_precision_is_kept_throughout() {
    let options = OpenConfig {
        dtype: DType::F64,
        ..OpenConfig::default()
    };
    let head = Head::of(&FolderConfig::open(&folder("roberta-tokens")).unwrap()).unwrap();
    let model = open_pretrained_with(&folder("roberta-tokens"), head, &options).unwrap();
    let trace = Trace::open("roberta-tokens");
    let (tokens, mask) = (trace.get("tokens"), trace.get("mask"));
    let logits = model.model.forward(tokens, Some(mask), &EVAL).unwrap();
    assert_eq!(logits.dtype(), DType::F64);
    let logits = logits.to_dtype(DType::F32).unwrap();
    close("logits", logits.tensor(), trace.get("logits"), 2e-7);
}
