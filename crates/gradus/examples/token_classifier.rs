//! A tiny BERT learns which names are people's and which are places': `cargo run -p gradus --example token_classifier`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use gradus::models::{FolderConfig, Head, build_text};
use gradus::prelude::*;

// A sign for each word: - for no name, p for a person, l for a place. Only the words around a name tell.
const TRAIN: [[&str; 2]; 6] = [
    ["anna flew to paris", "p--l"],
    ["paris flew to rome", "p--l"],
    ["rome flew to anna", "p--l"],
    ["in rome anna slept", "-lp-"],
    ["in anna paris slept", "-lp-"],
    ["in paris rome slept", "-lp-"],
];
const NEW: [[&str; 2]; 2] = [
    ["anna flew to rome", "p--l"],
    ["in paris anna slept", "-lp-"],
];

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<&str> = TRAIN.iter().flat_map(|[text, _]| text.split(' ')).collect();
    words.sort_unstable();
    words.dedup();
    let encode = |texts: &[[&str; 2]]| -> Result<[Tensor; 2]> {
        let id = |word| words.partition_point(|known| *known < word) as i64; // all are known
        let ids = texts.iter().flat_map(|[text, _]| text.split(' ')).map(id);
        let tags = texts.iter().flat_map(|[_, tags]| tags.chars());
        let tags = tags.filter_map(|tag| "-pl".find(tag)).map(|tag| tag as i64);
        Ok([
            Tensor::from_slice(&ids.collect::<Vec<_>>(), [texts.len(), 4])?,
            Tensor::from_slice(&tags.collect::<Vec<_>>(), [4 * texts.len()])?,
        ])
    };
    let config = FolderConfig::new(Default::default())
        .with("model_type", "bert")
        .with("vocab_size", words.len())
        .with("hidden_size", 32)
        .with("num_hidden_layers", 2)
        .with("num_attention_heads", 2)
        .with("intermediate_size", 64);
    let labels = ["none", "person", "place"].map(String::from).to_vec();
    let store = ParamStore::seeded(1);
    let model = build_text(&config, Head::TokenClassification { labels }, &store.root())?;
    let [tokens, tags] = encode(&TRAIN)?;
    let mut adamw = Adam::new(AdamConfig::adamw())?;
    for step in 0..150 {
        let scores = model.forward(&tokens, None, &Ctx::train(1, step))?; // (texts, words, labels)
        let scores = scores.flatten(0, 1)?;
        let loss = scores.cross_entropy(&tags, &Default::default())?;
        adamw.step(&store.parameters(), &loss.backward()?)?;
    }
    let [tokens, tags] = encode(&NEW)?;
    let scores = model.forward(&tokens, None, &Ctx::eval())?;
    let best = scores.argmax(Some(2), false)?.to_vec::<i64>()?;
    println!("{NEW:?}: {best:?}");
    assert_eq!(best, tags.to_vec::<i64>()?, "did not learn");
    Ok(())
}
