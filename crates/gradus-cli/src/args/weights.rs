//! The commands on files of weights: inspect, hash, convert.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

pub(super) const INSPECT_EXAMPLES: &str = "\
Examples:
  gradus inspect runs/mine                      names, dtypes and shapes; only what describes the tensors is read
  gradus inspect pytorch_model.bin --json | jq -r '.tensors[].name'";

pub(super) const HASH_EXAMPLES: &str = "\
Examples:
  gradus hash runs/mine
  gradus hash model.pt                          the same as of model.safetensors, if it holds the same tensors";

pub(super) const CONVERT_EXAMPLES: &str = "\
Examples:
  gradus convert pytorch_model.bin model.safetensors
  gradus convert bert-folder small-folder --dtype bf16 --max-shard-mb 2000
  gradus convert training.pt model.safetensors --strip-prefix model_state_dict. --rename ^backbone.=
  gradus convert model.safetensors model.npz --dtype f32

Safetensors, folders with shards, .npz, .npy and PyTorch's .pt, .pth and .bin are read; nothing in them is run.
Written are safetensors, folders as Hugging Face lays them out, and .npz. From a folder to a folder, the configuration
and the tokenizer are copied too. The steps are done in this order: --strip-prefix, --rename as given, --transpose,
--dtype.";

#[derive(Debug, Args)]
pub(crate) struct WeightsArgs {
    /// A file of weights (safetensors, .npz, .npy, .pt, .pth, .bin), or a folder of them, such as a run
    #[arg(value_name = "FILE|RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What floats become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FloatType {
    /// 32 bits
    F32,
    /// 16 bits, 11 of them precision: up to 65504
    F16,
    /// 16 bits, 8 of them precision: the range of f32
    Bf16,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A file of weights (safetensors, .npz, .npy, .pt, .pth, .bin), or a folder of them
    #[arg(value_name = "FROM", value_hint = ValueHint::AnyPath)]
    pub(crate) from: PathBuf,
    /// Where to write: a name ending in .safetensors or .npz, or a folder
    #[arg(value_name = "TO", value_hint = ValueHint::AnyPath)]
    pub(crate) to: PathBuf,
    /// Convert all floats; integers and bools stay as they are
    #[arg(long, value_name = "DTYPE")]
    pub(crate) dtype: Option<FloatType>,
    /// Largest file of a folder, in MB (10^6 bytes) [default: 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) max_shard_mb: Option<u64>,
    /// Keep only the tensors below this prefix, and take it off their names
    #[arg(long, value_name = "PREFIX")]
    pub(crate) strip_prefix: Option<String>,
    /// Replace OLD in every name; ^OLD only at its start; can be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    pub(crate) rename: Vec<Renaming>,
    /// Transpose the matrices whose new name contains this; can be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) transpose: Vec<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// One `--rename`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renaming {
    pub(crate) old: String,
    pub(crate) new: String,
    /// Only at the start of a name.
    pub(crate) anchored: bool,
}

impl Renaming {
    /// The new name, or none if the old text is not in it.
    pub(crate) fn apply(&self, name: &str) -> Option<String> {
        if self.anchored {
            let rest = name.strip_prefix(&self.old)?;
            return Some(format!("{}{rest}", self.new));
        }
        let found = name.contains(&self.old);
        found.then(|| name.replace(&self.old, &self.new))
    }
}

fn renaming(text: &str) -> Result<Renaming, String> {
    let (old, new) = text
        .split_once('=')
        .ok_or("write OLD=NEW; NEW may be empty")?;
    let (old, anchored) = match old.strip_prefix('^') {
        Some(old) => (old, true),
        None => (old, false),
    };
    if old.is_empty() && !anchored {
        return Err("OLD is empty; ^=NEW puts NEW in front of every name".to_owned());
    }
    Ok(Renaming {
        old: old.to_owned(),
        new: new.to_owned(),
        anchored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_anywhere_or_at_their_start() {
        let apply = |text: &str, name: &str| renaming(text).unwrap().apply(name);
        assert_eq!(apply("a=b", "x.a.a").as_deref(), Some("x.b.b"));
        assert_eq!(apply("^x.=", "x.a.x.").as_deref(), Some("a.x."));
        assert_eq!(apply("^a=b", "x.a"), None);
        assert_eq!(apply("^=m.", "w").as_deref(), Some("m.w"));
        assert_eq!(apply("a==", "a").as_deref(), Some("="));
        assert!(renaming("a").is_err() && renaming("=a").is_err());
    }
}
