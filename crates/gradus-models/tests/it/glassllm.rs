//! A trained model: glassllm, whose package is plain numpy.
//!
//! `xtask/interop/convert_glassllm.py` makes a model folder of it with the package's own results beside. The test reads the folder that
//! `GRADUS_GLASSLLM` names, and without it has nothing to compare; neither the build nor CI has the model.

use std::path::PathBuf;

use gradus_autograd::{DType, Tensor};
use gradus_checkpoint::load_state_dict;
use gradus_models::{GenerateConfig, Head, generate, open_pretrained};
use gradus_nn::Ctx;

#[test]
fn glassllm_gives_numpys_logits_and_tokens() {
    let Some(folder) = std::env::var_os("GRADUS_GLASSLLM").map(PathBuf::from) else {
        return;
    };
    let (reference, _) = load_state_dict(folder.join("reference.safetensors")).unwrap();
    let find = |key: &str| -> Tensor {
        let found = reference.iter().find(|(own, _)| own == key);
        found.unwrap_or_else(|| panic!("no {key}")).1.clone()
    };
    let found = open_pretrained(&folder, Head::CausalLm).unwrap();
    let y = found.model.forward(&find("tokens"), None, &Ctx::eval());
    let values = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let (got, want) = (values(y.unwrap().tensor()), values(&find("logits")));
    assert_eq!(got.len(), want.len());
    let pairs = got.iter().zip(&want);
    let largest = pairs.fold(0.0_f64, |top, (a, b)| top.max((a - b).abs()));
    assert!(largest < 1e-4, "the largest difference is {largest}");
    let ids = |key: &str| -> Vec<u32> {
        let all = find(key).to_vec::<i64>().unwrap();
        all.into_iter()
            .map(|id| u32::try_from(id).unwrap())
            .collect()
    };
    let config = GenerateConfig {
        max_tokens: 30,
        ..GenerateConfig::default()
    };
    let model = found.model.as_causal().unwrap();
    let made = generate(model, &[ids("prompt")], &config, &mut |_, _| true).unwrap();
    assert_eq!(made[0].tokens, ids("greedy"));
}
