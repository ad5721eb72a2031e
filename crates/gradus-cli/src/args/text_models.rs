//! The commands on text models: generate, embed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};
use gradus_autograd::{DType, Precision};
use gradus_models::OpenConfig;

use super::at_least_one;

pub(super) const GENERATE_EXAMPLES: &str = "\
Examples:
  gradus generate gpt2 --prompt 'Once upon a time'      the likeliest continuation, as it comes
  gradus generate qwen2 --chat --prompt 'Who are you?'  through the chat template of the folder
  gradus generate gpt2 --prompt 'The' --temperature 0.8 --top-p 0.95 --seed 7 --stop '.'
  gradus generate gpt2 --file prompts.txt --json | jq -r .text

Printed is the continuation without the prompt; it ends with the model's end token (the end of text that the folder
names), with a --stop text, with --max-tokens, or with the model's positions. The same prompt and seed give the same
tokens alone and with others, with any number of threads, and with --no-cache; at --dtype bf16, whose steps are coarser,
with any number of threads.";

pub(super) const EMBED_EXAMPLES: &str = "\
Examples:
  gradus embed all-MiniLM-L6-v2 'A cat sits.' 'A dog runs.' | jq -c '.embedding[:3]'
  gradus embed all-MiniLM-L6-v2 --file sentences.txt > embeddings.jsonl
  cat sentences.txt | gradus embed all-MiniLM-L6-v2 -

The embedding is the mean of the last layer over a text's tokens, scaled to length 1, as in sentence-transformers. What a
text has beyond --max-length tokens is not read.";

#[derive(Debug, Args)]
#[command(after_help = GENERATE_EXAMPLES, group = ArgGroup::new("prompts").required(true).multiple(true))]
pub(crate) struct GenerateArgs {
    /// Folder with config.json, weights and tokenizer.json: one from Hugging Face, or a run
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Text to continue; can be repeated
    #[arg(
        long,
        value_name = "TEXT",
        group = "prompts",
        allow_hyphen_values = true
    )]
    pub(crate) prompt: Vec<String>,
    /// Continue each line of a file; `-` reads stdin, and blank lines are passed over
    #[arg(long, value_name = "FILE", group = "prompts", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Take each prompt for a user's message, and answer it
    #[arg(long)]
    pub(crate) chat: bool,
    /// LoRA adapter, as PEFT writes it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) adapter: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) choice: ChoiceFlags,

    /// Compute all of the text again for each token
    #[arg(long, help_heading = "Run")]
    pub(crate) no_cache: bool,
    /// What weights are kept and products computed in
    #[arg(
        long,
        value_name = "DTYPE",
        default_value = "f32",
        help_heading = "Run"
    )]
    pub(crate) dtype: ComputeType,
    /// Prompts that are continued together
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one, help_heading = "Run")]
    pub(crate) batch_size: usize,
    /// Compute threads, at most one for each core; 0: so many
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run")]
    pub(crate) threads: usize,
    /// Print one JSON object a prompt
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

// How the next token is chosen, and when the text ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choice of tokens")]
pub(crate) struct ChoiceFlags {
    /// New tokens for each prompt, at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) max_tokens: usize,
    /// Scores are divided by this before a token is drawn; 0 takes the likeliest
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = at_least_zero, allow_negative_numbers = true)]
    pub(crate) temperature: f64,
    /// Draw among this many of the likeliest tokens
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) top_k: Option<usize>,
    /// Draw among the fewest tokens whose probabilities add up to this
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = share_over_zero, allow_negative_numbers = true)]
    pub(crate) top_p: f64,
    /// Draw among tokens at least this likely, relative to the likeliest
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    pub(crate) min_p: f64,
    /// Divide the scores of tokens that the text has already
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = over_zero, allow_negative_numbers = true)]
    pub(crate) repetition_penalty: f64,
    /// End before this text; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = some_text, allow_hyphen_values = true)]
    pub(crate) stop: Vec<String>,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[command(after_help = EMBED_EXAMPLES, group = ArgGroup::new("input").required(true).multiple(true))]
pub(crate) struct EmbedArgs {
    /// Folder with config.json, weights and tokenizer.json: one from Hugging Face, or a run
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Texts; `-` stands for the lines of stdin
    #[arg(value_name = "TEXT", group = "input")]
    pub(crate) texts: Vec<String>,
    /// Embed each line of a file, blank ones too; `-` reads stdin
    #[arg(long, value_name = "FILE", group = "input", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Tokens of a text, at most, with those of the tokenizer's template [default: what the folder says]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_length: Option<usize>,
    /// What weights are kept and products computed in
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: ComputeType,
    /// Texts that are computed together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    /// Compute threads, at most one for each core; 0: so many
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Accepted because the other commands have it: the output is JSON anyway
    #[arg(long, hide = true)]
    pub(crate) json: bool,
}

/// What a model that is not trained computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComputeType {
    /// 32 bits
    F32,
    /// Matrices and the operands of products in 16 bits, 8 of them precision; sums and all else in 32
    Bf16,
}

impl ComputeType {
    /// How a folder is opened for it.
    pub(crate) fn open(self) -> OpenConfig {
        let dtype = match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        };
        OpenConfig {
            dtype,
            ..OpenConfig::default()
        }
    }

    /// That of its products.
    pub(crate) fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::Full,
            Self::Bf16 => Precision::Bf16,
        }
    }
}

fn number(text: &str, expected: &str, holds: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if holds(number) && f64::is_finite(number) => Ok(number),
        Ok(_) => Err(format!("must be {expected}")),
        Err(error) => Err(format!("{error}")),
    }
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    number(text, "a number of at least 0", |x| x >= 0.0)
}

fn over_zero(text: &str) -> Result<f64, String> {
    number(text, "a number over 0", |x| x > 0.0)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, "in 0..=1", |x| (0.0..=1.0).contains(&x))
}

fn share_over_zero(text: &str) -> Result<f64, String> {
    number(text, "over 0 and at most 1", |x| x > 0.0 && x <= 1.0)
}

fn some_text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(text.to_owned())
}
