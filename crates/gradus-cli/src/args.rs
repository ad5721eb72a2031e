//! The command line: what can be said, and its help.

mod text;
mod text_models;
mod weights;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

pub(crate) use text::{TokenizeArgs, TokenizerCommand, TrainTokenizerArgs};
pub(crate) use text_models::{EmbedArgs, GenerateArgs};
use weights::{CONVERT_EXAMPLES, HASH_EXAMPLES, INSPECT_EXAMPLES};
pub(crate) use weights::{ConvertArgs, FloatType, Renaming, WeightsArgs};

const EXAMPLES: &str = "\
Examples:
  gradus train                                  the tutorial's network on the data set inside this program
  gradus train --data photos --model resnet18   your own images: photos/train/<class>/*, photos/test/<class>/*
  gradus eval runs/resnet18-photos-001          loss, accuracy, F1 and the confusion matrix
  gradus predict runs/resnet18-photos-001 *.jpg what is on these images?
  gradus tokenize models/minilm 'Hello, world!' how does the model read this?
  gradus convert pytorch_model.bin model.safetensors
  gradus generate gpt2 --prompt 'Once upon a time'

Results go to stdout, progress and messages to stderr.
Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted.";

const TRAIN_EXAMPLES: &str = "\
Examples:
  gradus train
  gradus train --data photos --model resnet18 --epochs 20 --lr 0.05 --schedule one-cycle
  gradus train photos.toml --set label_smoothing=0.1 --set 'milestones=[10, 15]'
  gradus train --out runs/mine --resume         go on after an interruption
  gradus train runs/mine/config.toml            the same run again, in a new directory
  gradus train --task language-model --train-file poems.txt --tokenizer char --max-steps 2000
  gradus train --task text-classification --from minilm --train-file reviews.csv
  gradus config > photos.toml                   a configuration to start from, every key explained

The configuration is made of the defaults, then CONFIG.toml, then --set, then the flags; later ones win.
The same configuration and data give the same weights, bit for bit, with any number of threads and workers.
Ctrl-C stops after the current step, saves a checkpoint and says how to go on; a second Ctrl-C stops at once.";

const EVAL_EXAMPLES: &str = "\
Examples:
  gradus eval runs/mine
  gradus eval gpt2 --data novel.txt             the perplexity of a language model
  gradus eval runs/mine --data other-photos --json | jq .accuracy";

const PREDICT_EXAMPLES: &str = "\
Examples:
  gradus predict runs/mine cat.jpg dog.png
  gradus predict runs/reviews 'A fine film.'    a classifier of texts takes texts
  gradus predict runs/mine photos/*.jpg --top 1 | jq -r '[.input, .top[0].label] | @tsv'

A file that cannot be used is reported on stderr, the others are still done, and the exit code is 1.";

const DATA_EXAMPLES: &str = "\
Examples:
  gradus data list
  gradus data make fashion-mnist-mini fashion   PNG files in fashion/train/<class>/* and fashion/test/<class>/*
  gradus data info fashion                      counts, sizes, mean and standard deviation";

const GRADCHECK_EXAMPLES: &str = "\
Examples:
  gradus gradcheck                              every op: reference, gradient, second derivative, layouts, threads
  gradus gradcheck --op conv2d --cases 100
  gradus gradcheck | jq -r 'select(.ok | not) | [.op, .error] | @tsv'";

const OP_EXAMPLES: &str = "\
Examples:
  gradus op list | jq -r .op
  gradus op run cumsum --attrs '{\"dim\": 0}' --inputs in.safetensors --output out.safetensors

The file of inputs has one tensor for each input of the op, by its name (`x`, `y`, …); the tensors of a list are
`tensors.0`, `tensors.1`, …. The results are `out`, or `out.0`, `out.1`, … of an op with several. With --grad the inputs
also hold `grad_out` (or `grad_out.0`, …), and `grad.<input>` is written for every float input.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  gradus completions bash > ~/.local/share/bash-completion/completions/gradus
  gradus completions fish > ~/.config/fish/completions/gradus.fish";

/// Deep learning on the processor that you have
///
/// Trains image classifiers, scores them and uses them, continues texts and embeds them: one program, no GPU, no Python.
/// The same configuration and data give the same weights, bit for bit.
#[derive(Debug, Parser)]
#[command(name = "gradus", version, after_help = EXAMPLES, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model; without arguments: the tutorial's network on the embedded data set
    Train(Box<TrainArgs>),
    /// Score a trained model
    Eval(EvalArgs),
    /// Classify images, one JSON line each
    Predict(PredictArgs),
    /// Continue texts with a language model
    Generate(Box<GenerateArgs>),
    /// Turn texts into vectors, one JSON line each
    Embed(EmbedArgs),
    /// List the tensors and metadata of weights: safetensors, shards, .npz, .pt, .bin
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(WeightsArgs),
    /// Print the digest of weights: equal exactly when names, shapes and bits are
    #[command(after_help = HASH_EXAMPLES)]
    Hash(WeightsArgs),
    /// Turn texts into token ids, one JSON line each
    Tokenize(TokenizeArgs),
    /// Make tokenizers
    #[command(subcommand, after_help = text::TOKENIZER_EXAMPLES)]
    Tokenizer(TokenizerCommand),
    /// Convert weights between formats, and rename, transpose and round them on the way
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(ConvertArgs),
    /// List, write and describe data sets
    #[command(subcommand, after_help = DATA_EXAMPLES)]
    Data(DataCommand),
    /// Check the gradients of all ops against finite differences, one JSON line each
    #[command(after_help = GRADCHECK_EXAMPLES)]
    Gradcheck(GradcheckArgs),
    /// List the ops, or run one on tensors from a file
    #[command(subcommand, after_help = OP_EXAMPLES)]
    Op(OpCommand),
    /// Print the default configuration as TOML, every key explained
    Config(ConfigArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = TRAIN_EXAMPLES, args_override_self = true)]
pub(crate) struct TrainArgs {
    /// Configuration file; `gradus config` prints one to start from
    #[arg(value_name = "CONFIG.toml", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Set any key of the configuration: a TOML value, or a bare word; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    #[command(flatten)]
    pub(crate) data: DataFlags,
    #[command(flatten)]
    pub(crate) model: ModelFlags,
    #[command(flatten)]
    pub(crate) optimization: OptimizationFlags,
    #[command(flatten)]
    pub(crate) run: RunFlags,

    /// Continue the run in --out from its newest whole checkpoint; with nothing there, start
    #[arg(long, help_heading = "Run")]
    pub(crate) resume: bool,
    /// Like --resume, but go on even if the configuration or the data are others
    #[arg(long, help_heading = "Run")]
    pub(crate) resume_anyway: bool,
    /// Print the result as one JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print nothing on stderr but errors
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

impl TrainArgs {
    /// Whether a run that is there is to be continued.
    pub(crate) fn resumes(&self) -> bool {
        self.resume || self.resume_anyway
    }
}

// Each flag of the four structs below is a key of the configuration, and says its default: a test compares them.

#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataFlags {
    /// image-classification, language-model, masked-language-model, text-classification or token-classification [default: image-classification]
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// Text to train on: .txt; .csv, .tsv, .jsonl with text and label; a folder <class>/*.txt
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) train_file: Option<String>,
    /// Text to score on; without: a part of the training text is kept for it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) eval_file: Option<String>,
    /// Folder or file of a tokenizer, or char, bpe, wordpiece, unigram to train one; without: that of --from, or a trained one
    #[arg(long, value_name = "NAME|PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) tokenizer: Option<String>,
    /// Folder with train/<class>/* and test/<class>/* (also val), of IDX files, or an embedded data set [default: fashion-mnist-mini]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<String>,
    /// Leave damaged image files out and report them
    #[arg(long)]
    pub(crate) skip_bad_images: bool,
    /// Threads that load images; 0: the training thread does [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) workers: Option<i64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelFlags {
    /// mlp, tutorial-cnn, tutorial-cnn-dropout, lstm, resnet18, resnet34, resnet50, vit-tiny; for text gpt2, llama, qwen2, mistral, bert, roberta, distilbert [default: tutorial-cnn]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Hugging Face folder, or a run, to train on
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) from: Option<String>,
    /// Starting weights; without: fresh ones from the seed
    #[arg(long, value_name = "FILE.safetensors", value_hint = ValueHint::FilePath)]
    pub(crate) init: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct OptimizationFlags {
    /// Passes over the training data; 0: until --max-steps [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) epochs: Option<i64>,
    /// Optimizer steps after which training ends; 0: no limit [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) max_steps: Option<i64>,
    /// Images or texts of a batch [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) batch_size: Option<i64>,
    /// Learning rate [default: 0.01]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) lr: Option<f64>,
    /// Momentum of SGD [default: 0.9]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) momentum: Option<f64>,
    /// L2 penalty (sgd, adam) or decoupled decay (adamw); PyTorch's: 0.01 for adamw, else 0
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) weight_decay: Option<f64>,
    /// sgd, adam or adamw [default: sgd]
    #[arg(long, value_name = "NAME")]
    pub(crate) optimizer: Option<String>,
    /// constant, step, multistep, exponential, cosine, polynomial, one-cycle or plateau [default: cosine]
    #[arg(long, value_name = "NAME")]
    pub(crate) schedule: Option<String>,
    /// Seed of all randomness [default: 42]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) seed: Option<i64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunFlags {
    /// Run directory; without: a new one, runs/<model>-<data>-<number>
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<String>,
    /// Steps between checkpoints; 0: when interrupted and at the end [default: 0]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) checkpoint_every: Option<i64>,
    /// What training steps compute in: f32, or bf16 for matrix products, convolutions and attention [default: f32]
    #[arg(long, value_name = "NAME")]
    pub(crate) dtype: Option<String>,
    /// Compute threads, at most one for each core; 0: so many [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) threads: Option<i64>,
    /// Refuse a run that would take more than so many MiB by an estimate; 0: no limit [default: 0]
    #[arg(long, value_name = "MiB", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) max_memory: Option<i64>,
    /// Write a Chrome trace of where the time went
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = EVAL_EXAMPLES)]
pub(crate) struct EvalArgs {
    /// Run directory, or a Hugging Face folder
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Score on this data instead of the run's own: a folder's test split, else val, else train; for text a file
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<String>,
    /// Leave damaged image files out and report them
    #[arg(long)]
    pub(crate) skip_bad_images: bool,
    /// Threads that load images; 0: the scoring thread does [default: the run's]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Compute threads, at most one for each core; 0: so many
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = PREDICT_EXAMPLES)]
pub(crate) struct PredictArgs {
    /// Run directory
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Image files (PNG, JPEG), or texts for a classifier of texts
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) inputs: Vec<PathBuf>,
    /// How many of the most probable classes to print
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) top: usize,
    /// Compute threads, at most one for each core; 0: so many
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Accepted because the other commands have it: the output is JSON anyway
    #[arg(long, hide = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// The data sets inside this program
    List {
        /// Print one JSON object a data set
        #[arg(long)]
        json: bool,
    },
    /// Write a data set as a folder of images, <split>/<class>/<number>.png
    Make {
        /// Name of the data set
        #[arg(value_name = "NAME")]
        name: String,
        /// Folder to write: a new or empty one
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Describe a data set: splits, classes, sizes, mean and standard deviation
    Info {
        /// Folder of a data set, or the name of an embedded one
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Leave damaged image files out and list them
        #[arg(long)]
        skip_bad_images: bool,
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GradcheckArgs {
    /// Only this op; can be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) op: Vec<String>,
    /// Cases to draw for each op
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub(crate) cases: usize,
    /// Seed that they are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Accepted because the other commands have it: the output is JSON anyway
    #[arg(long, hide = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OpCommand {
    /// The registry: one JSON line an op
    List {
        /// Accepted because the other commands have it: the output is JSON anyway
        #[arg(long, hide = true)]
        json: bool,
    },
    /// Run one op on the tensors of a file
    Run(OpRunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OpRunArgs {
    /// Name of the op
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Attributes as a JSON object; what is left out has its default
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) attrs: String,
    /// Inputs by name
    #[arg(long, value_name = "IN.safetensors", value_hint = ValueHint::FilePath)]
    pub(crate) inputs: PathBuf,
    /// Where the results go
    #[arg(long, value_name = "OUT.safetensors", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Compute the gradients of all float inputs, too
    #[arg(long)]
    pub(crate) grad: bool,
    /// Accepted because the other commands have it: the output is JSON anyway
    #[arg(long, hide = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The defaults of this task
    #[arg(long, value_name = "NAME", default_value = "image-classification")]
    pub(crate) task: String,
    /// Print the page docs/config.md instead
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for gradus.1, gradus-train.1, …; without: the main page on stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use gradus_train::config::{KEYS, TrainConfig};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_configuration_flag_is_a_key_and_says_its_default() {
        let defaults = serde_json::to_value(TrainConfig::default()).unwrap();
        let cli = Cli::command();
        let train = cli.find_subcommand("train").unwrap();
        let own = [
            "config",
            "set",
            "resume",
            "resume_anyway",
            "json",
            "quiet",
            "help",
            "version",
        ];
        for arg in train
            .get_arguments()
            .filter(|arg| !own.contains(&arg.get_id().as_str()))
        {
            let key = arg.get_id().as_str();
            assert!(
                KEYS.iter().any(|known| known.name == key),
                "{key} is no key"
            );
            let help = arg.get_help().unwrap().to_string();
            match &defaults[key] {
                serde_json::Value::Number(number) => {
                    assert!(help.ends_with(&format!("[default: {number}]")), "{help}")
                }
                serde_json::Value::String(text) if !text.is_empty() => {
                    assert!(help.ends_with(&format!("[default: {text}]")), "{help}");
                }
                _ => assert!(!help.contains("[default"), "{help}"),
            }
        }
    }
}
