//! The vision transformer against transformers.

use gradus_autograd::{DType, Tensor, Var};
use gradus_models::{FolderConfig, Vit, VitConfig, open_vit};
use gradus_nn::{Module, ParamStore};

use crate::golden::{EVAL, Trace, close, folder};

const CASE: &str = "vit-classes";

fn labels() -> Vec<String> {
    FolderConfig::open(&folder(CASE)).unwrap().labels().unwrap()
}

#[test]
fn scores_and_hidden_states_are_those_of_transformers() {
    let trace = Trace::open(CASE);
    let images = Var::constant(trace.get("images").clone());
    assert_eq!(labels(), ["no", "perhaps", "yes"]);
    let opened = open_vit(&folder(CASE), Some(&labels())).unwrap();
    assert!(opened.fresh.is_empty() && opened.unused.is_empty());
    let logits = opened.model.forward(&images, &EVAL).unwrap();
    close("logits", logits.tensor(), trace.get("logits"), 1e-5);
    let opened = open_vit(&folder(CASE), None).unwrap();
    assert_eq!(opened.fresh, ["pooler.dense.weight", "pooler.dense.bias"]);
    assert_eq!(opened.unused, ["classifier.bias", "classifier.weight"]);
    let hidden = opened.model.forward(&images, &EVAL).unwrap();
    close("hidden", hidden.tensor(), trace.get("hidden"), 1e-5);
}

#[test]
fn exported_folders_open_again_with_the_same_scores() {
    let images = Var::constant(Trace::open(CASE).get("images").clone());
    for labels in [None, Some(labels())] {
        let opened = open_vit(&folder(CASE), labels.as_deref()).unwrap();
        let to = tempfile::tempdir().unwrap();
        opened.model.export(to.path(), &opened.store).unwrap();
        let again = open_vit(to.path(), labels.as_deref()).unwrap();
        assert!(again.fresh.is_empty() && again.unused.is_empty());
        assert_eq!(again.model.config(), opened.model.config());
        let run = |model: &Vit| {
            let scores = model.forward(&images, &EVAL).unwrap();
            scores.tensor().to_vec::<f32>().unwrap()
        };
        assert_eq!(run(&again.model), run(&opened.model));
    }
}

#[test]
fn recomputation_gives_the_same_gradients() {
    let images = Var::constant(Trace::open(CASE).get("images").clone());
    let run = |recompute: bool| {
        let config = FolderConfig::open(&folder(CASE)).unwrap();
        let config = VitConfig::read(&config.with_recompute(recompute)).unwrap();
        let store = ParamStore::seeded(1);
        let model = Vit::new(&store.root(), &config, Some(&labels())).unwrap();
        let ctx = gradus_nn::Ctx::train(1, 2);
        let scores = model.forward(&images, &ctx).unwrap();
        let loss = scores.square().unwrap().sum(&[], false).unwrap();
        let grads = loss.backward().unwrap();
        let all = store.parameters().into_iter();
        all.map(|p| grads.get(&p).unwrap().to_vec::<f32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn images_and_configurations_that_do_not_fit_are_refused() {
    let model = open_vit(&folder(CASE), None).unwrap().model;
    let images = Var::constant(Tensor::zeros([1, 2, 8, 8], DType::F32).unwrap());
    let error = model.forward(&images, &EVAL).unwrap_err().to_string();
    for part in ["embeddings", "(1, 2, 8, 12)", "(1, 2, 8, 8)", "size"] {
        assert!(error.contains(part), "{error}");
    }
    let config = || FolderConfig::open(&folder(CASE)).unwrap();
    for (key, value, part) in [
        ("patch_size", serde_json::json!(0), "at least 1"),
        (
            "patch_size",
            serde_json::json!([1, 2, 3]),
            "[height, width]",
        ),
        ("image_size", serde_json::json!("large"), "[height, width]"),
        (
            "hidden_size",
            serde_json::json!(15),
            "a multiple of num_attention_heads, 2",
        ),
        ("hidden_act", serde_json::json!("relu"), "gelu"),
        ("model_type", serde_json::json!("bert"), "\"vit\""),
    ] {
        let error = VitConfig::read(&config().with(key, value))
            .unwrap_err()
            .to_string();
        assert!(error.contains(key) && error.contains(part), "{error}");
    }
    let odd = VitConfig {
        heads: 5,
        ..VitConfig::tiny()
    };
    assert!(Vit::new(&ParamStore::seeded(0).root(), &odd, None).is_err());
}
