//! A tiny GPT-2 learns a sentence letter by letter, then says it: `cargo run -p gradus --example char_gpt`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use gradus::models::{FolderConfig, GenerateConfig, Head, build_text, generate};
use gradus::prelude::*;

const TEXT: &str = "the quick brown fox jumps over the lazy dog. ";
const BATCH: usize = 4;
const BLOCK: usize = 48; // letters that are seen at once

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut letters: Vec<char> = TEXT.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let id = |c: char| letters.binary_search(&c).unwrap_or(0);
    let text: Vec<usize> = TEXT.chars().map(id).collect();
    let config = FolderConfig::new(Default::default())
        .with("model_type", "gpt2")
        .with("vocab_size", letters.len())
        .with("n_positions", BLOCK)
        .with("n_embd", 32)
        .with("n_layer", 2)
        .with("n_head", 2);
    let dropouts = ["embd_pdrop", "attn_pdrop", "resid_pdrop"];
    let config = dropouts.iter().fold(config, |c, key| c.with(key, 0));
    let store = ParamStore::seeded(1);
    let model = build_text(&config, Head::CausalLm, &store.root())?;
    println!("{} parameters", store.parameter_count());

    let mut adamw = AdamConfig::adamw();
    adamw.lr = 0.01;
    let mut adamw = Adam::new(adamw)?;
    for step in 0..120 {
        // Windows of the text, which is taken for a circle, and the letters that come next.
        let places = (0..BATCH * BLOCK).map(|i| 7 * step + 5 * (i / BLOCK) + i % BLOCK);
        let at = |place: usize| text[place % text.len()] as i64;
        let (x, y): (Vec<i64>, Vec<i64>) = places.map(|i| (at(i), at(i + 1))).unzip();
        let x = Tensor::from_slice(&x, [BATCH, BLOCK])?;
        let y = Tensor::from_slice(&y, [BATCH * BLOCK])?;
        let scores = model.forward(&x, None, &Ctx::train(1, step as u64))?; // (B, T, letters)
        let loss = scores
            .flatten(0, 1)?
            .cross_entropy(&y, &Default::default())?;
        adamw.step(&store.parameters(), &loss.backward()?)?;
        if step % 20 == 19 {
            println!("step {}: loss {:.3}", step + 1, loss.item::<f32>()?);
        }
    }

    let prompt = "the q".chars().map(|c| id(c) as u32).collect();
    let model = model.as_causal().ok_or("GPT-2 continues texts")?;
    let mut go_on = |_, _| true;
    let made = generate(model, &[prompt], &GenerateConfig::default(), &mut go_on)?;
    let said = made[0].tokens.iter().map(|&id| letters[id as usize]);
    let said = format!("the q{}", said.collect::<String>());
    println!("{said}");
    assert!(said.starts_with(TEXT), "did not learn");
    Ok(())
}
