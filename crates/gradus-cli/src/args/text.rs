//! The command line of `tokenize` and `tokenizer`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};
use gradus_text::TrainerKind;

use super::at_least_one;

const TOKENIZE_EXAMPLES: &str = "\
Examples:
  gradus tokenize models/minilm 'Hello, world!' 床前明月光
  gradus tokenize models/gpt2 --file poems.txt | jq '.ids | length'";

pub(super) const TOKENIZER_EXAMPLES: &str = "\
Examples:
  gradus tokenizer train poems.txt --vocab-size 4000 --out poems-bpe
  gradus tokenizer train shakespeare.txt --kind char --out shakespeare-char
  gradus tokenizer train reviews/*.txt --kind wordpiece --vocab-size 8000 --out reviews-bert";

const TRAIN_EXAMPLES: &str = "\
Examples:
  gradus tokenizer train poems.txt --vocab-size 4000 --out poems-bpe
  gradus tokenizer train shakespeare.txt --kind char --out shakespeare-char
  gradus tokenizer train a.txt b.txt --kind unigram --special '<s>' --special '</s>' --special '<unk>' --out mine

The folder holds tokenizer.json, tokenizer_config.json and special_tokens_map.json, which transformers opens too. Files of these names that
are there already are replaced. The same text and options give the same bytes, on any number of cores.";

#[derive(Debug, Args)]
#[command(after_help = TOKENIZE_EXAMPLES)]
pub(crate) struct TokenizeArgs {
    /// Folder with tokenizer.json, vocab.txt, or vocab.json and merges.txt; or one of these files
    #[arg(value_name = "FOLDER", value_hint = ValueHint::AnyPath)]
    pub(crate) folder: PathBuf,
    /// Texts
    #[arg(value_name = "TEXT", required_unless_present = "file")]
    pub(crate) texts: Vec<String>,
    /// Also the lines of this file, each a text
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Leave out the tokens that the tokenizer puts around a text, such as [CLS] and [SEP]
    #[arg(long)]
    pub(crate) no_special: bool,
    /// Cut texts to this many tokens
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_length: Option<usize>,
    /// Accepted because the other commands have it: the output is JSON anyway
    #[arg(long, hide = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenizerCommand {
    /// Make a tokenizer from text alone
    Train(TrainTokenizerArgs),
}

#[derive(Debug, Args)]
#[command(after_help = TRAIN_EXAMPLES)]
pub(crate) struct TrainTokenizerArgs {
    /// Files of UTF-8 text
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// bpe: bytes and frequent pairs of them; wordpiece: BERT's parts of words; unigram: the likeliest pieces; char: one token a character
    #[arg(long, value_name = "KIND", default_value = "bpe", value_parser = PossibleValuesParser::new(TrainerKind::ALL.map(TrainerKind::name)))]
    pub(crate) kind: String,
    /// The most tokens, with the special ones
    #[arg(long, value_name = "N", default_value_t = 30_000, value_parser = at_least_one)]
    pub(crate) vocab_size: usize,
    /// Leave pairs (of char: characters) that occur less often than this [default: 2; of char: 1]
    #[arg(long, value_name = "N")]
    pub(crate) min_frequency: Option<u64>,
    /// A special token, instead of those that models of this kind use; can be repeated, and the first has id 0
    #[arg(long, value_name = "TOKEN")]
    pub(crate) special: Vec<String>,
    /// Keep capitals and accents (wordpiece)
    #[arg(long)]
    pub(crate) cased: bool,
    /// Folder to write
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
