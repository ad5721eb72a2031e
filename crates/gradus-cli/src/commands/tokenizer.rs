//! `gradus tokenizer train`: a tokenizer from text alone.

use std::time::Instant;

use gradus_text::{TrainerConfig, train_tokenizer};
use serde_json::json;

use crate::args::{TokenizerCommand, TrainTokenizerArgs};
use crate::exit::{Ending, usage};
use crate::output;

pub(super) fn run(command: &TokenizerCommand) -> anyhow::Result<Ending> {
    match command {
        TokenizerCommand::Train(args) => train(args),
    }
}

fn train(args: &TrainTokenizerArgs) -> anyhow::Result<Ending> {
    let start = Instant::now();
    let kind = args.kind.parse();
    let kind = kind.map_err(|()| usage(format_args!("no kind is called {:?}", args.kind)))?;
    let config = TrainerConfig {
        kind,
        vocab_size: args.vocab_size,
        min_frequency: args.min_frequency,
        special_tokens: (!args.special.is_empty()).then(|| args.special.clone()),
        lowercase: !args.cased,
    };
    let tokenizer = train_tokenizer(&config, &args.files)?;
    tokenizer.save(&args.out)?;
    let (out, size) = (args.out.display().to_string(), tokenizer.vocab_size());
    if args.json {
        return output::json(&json!({
            "out": out, "kind": args.kind, "vocab_size": size, "seconds": start.elapsed().as_secs_f64(),
        }))
        .map(|()| Ending::Done);
    }
    output::line(format_args!("wrote {out}: {size} tokens"))?;
    Ok(Ending::Done)
}
