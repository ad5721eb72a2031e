//! `gradus tokenize`: texts as token ids, one JSON line each.

use gradus_data::TextLines;
use gradus_text::{EncodeConfig, Tokenizer};
use serde::Serialize;

use crate::args::TokenizeArgs;
use crate::exit::Ending;
use crate::output;

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    ids: &'a [u32],
    tokens: &'a [String],
}

/// Lines of a file that are tokenized together, which uses all cores.
const AT_ONCE: usize = 256;

pub(super) fn run(args: &TokenizeArgs) -> anyhow::Result<Ending> {
    let tokenizer = Tokenizer::open(&args.folder)?;
    let config = EncodeConfig {
        special: !args.no_special,
        max_length: args.max_length,
        ..EncodeConfig::default()
    };
    print(&tokenizer, &args.texts, &config)?;
    if let Some(file) = &args.file {
        let mut texts = Vec::with_capacity(AT_ONCE);
        for line in TextLines::open(file)? {
            texts.push(line?);
            if texts.len() == AT_ONCE {
                print(&tokenizer, &texts, &config)?;
                texts.clear();
            }
        }
        print(&tokenizer, &texts, &config)?;
    }
    Ok(Ending::Done)
}

fn print(tokenizer: &Tokenizer, texts: &[String], config: &EncodeConfig) -> anyhow::Result<()> {
    let encodings = tokenizer.encode_batch(texts, config)?;
    for (text, encoding) in texts.iter().zip(&encodings) {
        let (ids, tokens) = (&encoding.ids, &encoding.tokens);
        output::json(&Line { text, ids, tokens })?;
    }
    Ok(())
}
