//! Decoding: 64 greedy tokens after a prompt of 16 with GPT-2 of 124 M parameters, one text, keys and values kept.

use super::{Outcome, Workload, below};
use gradus::models::{FolderConfig, GenerateConfig, Head, TextModel, build_text, generate};

struct Decode {
    model: Box<dyn TextModel>,
    prompt: Vec<u32>,
    config: GenerateConfig,
}

impl Workload for Decode {
    fn step(&mut self) -> Outcome<f64> {
        let model = self.model.as_causal().ok_or("the model has no head")?;
        let prompts = [self.prompt.clone()];
        let done = generate(model, &prompts, &self.config, &mut |_, _| true)?;
        let tokens = done.first().ok_or("nothing was generated")?.tokens.len();
        Ok(tokens as f64)
    }
}

pub(super) fn gpt2() -> Outcome<Box<dyn Workload>> {
    let store = super::for_inference();
    let config = FolderConfig::new(serde_json::Map::new())
        .with("model_type", "gpt2")
        .with("vocab_size", 50_257)
        .with("n_positions", 1024)
        .with("n_embd", 768)
        .with("n_layer", 12)
        .with("n_head", 12);
    let model = build_text(&config, Head::CausalLm, &store.root())?;
    for parameter in store.parameters() {
        parameter.set_trainable(false);
    }
    let ids = below(50_257, &[16], 1)?.to_vec::<i64>()?;
    Ok(Box::new(Decode {
        model,
        prompt: ids
            .into_iter()
            .map(u32::try_from)
            .collect::<Result<_, _>>()?,
        config: GenerateConfig {
            max_tokens: 64,
            temperature: 0.0,
            ..Default::default()
        },
    }))
}
