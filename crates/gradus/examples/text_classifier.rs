//! A tiny BERT learns which texts are about the weather: `cargo run -p gradus --example text_classifier`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use gradus::models::{FolderConfig, Head, build_text};
use gradus::prelude::*;

// All of one length; else a mask would say which tokens are real.
const TRAIN: [&str; 6] = [
    "rain on the roof",
    "a cold wet wind",
    "snow fell at night",
    "bread with hot soup",
    "sweet cake and milk",
    "she eats warm bread",
];
const ARE: [i64; 6] = [0, 0, 0, 1, 1, 1];
const NEW: [&str; 2] = ["cold wind and rain", "milk with warm cake"];

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<&str> = TRAIN.iter().flat_map(|text| text.split(' ')).collect();
    words.sort_unstable();
    words.dedup();
    let id = |word: &str| words.partition_point(|known| *known < word) as i64; // all are known
    let encode = |texts: &[&str]| -> Result<Tensor> {
        let ids = texts.iter().flat_map(|text| text.split(' ')).map(id);
        Tensor::from_slice(&ids.collect::<Vec<_>>(), [texts.len(), 4])
    };
    let config = FolderConfig::new(Default::default())
        .with("model_type", "bert")
        .with("vocab_size", words.len())
        .with("hidden_size", 16)
        .with("num_hidden_layers", 1)
        .with("num_attention_heads", 2)
        .with("intermediate_size", 32);
    let labels = vec!["weather".into(), "food".into()];
    let head = Head::SequenceClassification { labels };
    let store = ParamStore::seeded(1);
    let model = build_text(&config, head, &store.root())?;
    let (tokens, targets) = (encode(&TRAIN)?, Tensor::from_slice(&ARE, [6])?);
    let mut adamw = Adam::new(AdamConfig::adamw())?;
    for step in 0..150 {
        let scores = model.forward(&tokens, None, &Ctx::train(1, step))?; // (texts, labels)
        let loss = scores.cross_entropy(&targets, &Default::default())?;
        adamw.step(&store.parameters(), &loss.backward()?)?;
        if step % 50 == 49 {
            println!("step {}: loss {:.3}", step + 1, loss.item::<f32>()?);
        }
    }
    let scores = model.forward(&encode(&NEW)?, None, &Ctx::eval())?;
    let shares = scores.softmax(-1)?.tensor().to_vec::<f32>()?;
    for (text, share) in NEW.iter().zip(shares.chunks(2)) {
        println!("{text:?}: weather {:.2}, food {:.2}", share[0], share[1]);
        assert_eq!(share[1] > 0.5, text.contains("milk"), "did not learn");
    }
    Ok(())
}
