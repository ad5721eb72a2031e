//! Texts as vectors, and how near they are to each other: `cargo run -p gradus --example embed -- all-MiniLM-L6-v2`, with a folder
//! from Hugging Face. Without one a fresh BERT is used, which knows no meanings, but sees which words two texts share.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::path::Path;

use gradus::models::{FolderConfig, Head, build_text, open_pretrained};
use gradus::prelude::*;
use gradus::text::{TrainerConfig, train_tokenizer_on};

const TEXTS: [&str; 3] = [
    "a cat sleeps on the sofa",
    "on the sofa a cat rests",
    "shares fell sharply this morning",
];

type Done<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Done {
    near(std::env::args().nth(1).as_deref().map(Path::new))
}

/// Prints how near the first text is to the others.
pub(crate) fn near(folder: Option<&Path>) -> Done {
    let (tokenizer, model) = match folder {
        Some(folder) => (
            Tokenizer::open(folder)?,
            open_pretrained(folder, Head::Pooled)?.model,
        ),
        None => {
            let tokenizer = train_tokenizer_on(&TrainerConfig::default(), TEXTS)?;
            let config = FolderConfig::new(Default::default())
                .with("model_type", "bert")
                .with("vocab_size", tokenizer.vocab_size())
                .with("hidden_size", 64)
                .with("num_hidden_layers", 2)
                .with("num_attention_heads", 2)
                .with("intermediate_size", 128);
            let model = build_text(&config, Head::Pooled, &ParamStore::seeded(1).root())?;
            (tokenizer, model)
        }
    };
    let mut vectors = Vec::new();
    for text in TEXTS {
        let ids = tokenizer.encode(text, true)?.ids;
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        let tokens = Tensor::from_slice(&ids, [1, ids.len()])?;
        vectors.push(model.forward(&tokens, None, &Ctx::eval())?); // (1, width), of length 1
    }
    let near = |other: &Var| vectors[0].cosine_similarity(other, 1, 1e-8)?.item::<f32>();
    let [same, other] = [near(&vectors[1])?, near(&vectors[2])?];
    println!(
        "{:?}\n  {same:.3} {:?}\n  {other:.3} {:?}",
        TEXTS[0], TEXTS[1], TEXTS[2]
    );
    assert!(same > other, "the sofa is nearer");
    Ok(())
}
