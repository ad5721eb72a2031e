//! A tiny BERT learns to fill gaps in texts, by the words on both sides: `cargo run -p gradus --example masked_lm`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::Arc;

use gradus::data::{MaskConfig, MaskedTokens, TokenizedTexts};
use gradus::models::{FolderConfig, Head, build_text};
use gradus::prelude::*;

// All of one length; else batches are padded: `Loader::with_collate`.
const TEXTS: [&str; 4] = [
    "the cat drinks milk at home",
    "our dog eats meat in town",
    "a bird likes rain under trees",
    "many fish swim through cold water",
];

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<&str> = TEXTS.iter().flat_map(|text| text.split(' ')).collect();
    words.push("#"); // the gap; it has id 0
    words.sort_unstable();
    let id = |word| words.partition_point(|known| *known < word) as u32;
    let texts = TEXTS.map(|text| text.split(' ').map(id).collect()).to_vec();
    let config = FolderConfig::new(Default::default())
        .with("model_type", "bert")
        .with("vocab_size", words.len())
        .with("hidden_size", 32)
        .with("num_hidden_layers", 1)
        .with("num_attention_heads", 2)
        .with("intermediate_size", 64)
        .with("hidden_dropout_prob", 0);
    let store = ParamStore::seeded(1);
    let model = build_text(&config, Head::MaskedLm, &store.root())?;
    let masking = MaskConfig::new(0, words.len(), vec![]);
    let masked = MaskedTokens::new(Arc::new(TokenizedTexts::unlabelled(texts)?), masking)?;
    let masked = Loader::new(Arc::new(masked), LoaderConfig::default())?; // one text a batch
    let mut adamw = AdamConfig::adamw();
    adamw.lr = 0.003;
    let mut adamw = Adam::new(adamw)?;
    for epoch in 0..200 {
        for batch in masked.epoch(epoch) {
            let batch = batch?; // gaps differ by epoch; elsewhere the target is -100, which costs nothing
            let scores = model.forward(&batch.x, None, &Ctx::train(1, epoch))?; // (1, words, vocabulary)
            let (scores, targets) = (scores.squeeze(0)?, batch.labels.squeeze(0)?);
            let loss = scores.cross_entropy(&targets, &Default::default())?;
            adamw.step(&store.parameters(), &loss.backward()?)?;
        }
    }
    for text in ["the cat # milk at home", "a bird likes # under trees"] {
        let ids: Vec<i64> = text.split(' ').map(|word| id(word).into()).collect();
        let scores = model.forward(&Tensor::from_slice(&ids, [1, 6])?, None, &Ctx::eval())?;
        let gap = text.split(' ').take_while(|word| *word != "#").count();
        let best = scores.argmax(Some(2), false)?.to_vec::<i64>()?[gap];
        let filled = text.replace('#', words[best as usize]);
        println!("{text}: {filled}");
        assert!(TEXTS.contains(&filled.as_str()), "did not learn");
    }
    Ok(())
}
