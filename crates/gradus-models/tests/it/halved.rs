//! Models whose matrices are stored in bf16, beside those in f32.

use std::path::PathBuf;

use gradus_autograd::{DType, Precision, Tensor, autocast, no_grad};
use gradus_checkpoint::load_state_dict;
use gradus_linalg::threads::with_threads;
use gradus_models::{GenerateConfig, Head, OpenConfig, Pretrained, generate, open_pretrained_with};
use gradus_nn::Ctx;

fn folder(name: &str) -> PathBuf {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoders");
    golden.join(name)
}

fn open(name: &str, dtype: DType) -> Pretrained {
    let options = OpenConfig {
        dtype,
        ..Default::default()
    };
    open_pretrained_with(&folder(name), Head::CausalLm, &options).unwrap()
}

fn scores(found: &Pretrained, tokens: &Tensor, precision: Precision) -> Vec<f32> {
    let run = || {
        found
            .model
            .forward(tokens, None, &Ctx::eval())
            .unwrap()
            .into_tensor()
    };
    no_grad(|| autocast(precision, run)).to_vec().unwrap()
}

#[test]
fn scores_stay_within_the_rounding_of_bf16() {
    for name in ["gpt2", "llama", "qwen2", "mistral"] {
        let (full, half) = (open(name, DType::F32), open(name, DType::BF16));
        for parameter in half.store.parameters() {
            let expected = match parameter.shape().rank() {
                2 => DType::BF16,
                _ => DType::F32,
            };
            assert_eq!(parameter.tensor().dtype(), expected, "{}", parameter.name());
        }
        let (state, _) = load_state_dict(folder(name).join("trace.safetensors")).unwrap();
        let tokens = &state.iter().find(|(key, _)| key == "tokens").unwrap().1;
        let exact = scores(&full, tokens, Precision::Full);
        let scale = exact.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        for precision in [Precision::Full, Precision::Bf16] {
            let got = scores(&half, tokens, precision);
            assert!(got != exact, "{name} did not run in bf16");
            for (x, y) in exact.iter().zip(&got) {
                // A few products one after the other, each of whose terms is off by 2⁻⁸ at most.
                assert!((x - y).abs() <= scale / 32.0, "{name}: {y} for {x}");
            }
        }
    }
}

#[test]
fn texts_are_the_same_for_any_number_of_threads() {
    let found = open("gpt2", DType::BF16);
    let model = found.model.as_causal().unwrap();
    let config = GenerateConfig {
        max_tokens: 12,
        ..Default::default()
    };
    let run = |threads| {
        let text = || generate(model, &[vec![1, 2, 3], vec![4]], &config, &mut |_, _| true);
        with_threads(threads, || autocast(Precision::Bf16, text)).unwrap()
    };
    let one = run(1);
    assert_eq!(one.iter().map(|text| text.tokens.len()).max(), Some(12));
    for threads in [2, 4] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}
