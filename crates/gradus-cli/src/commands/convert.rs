//! `gradus convert`: weights from one format to another, with other names, orders of dims and floats on the way.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use gradus_checkpoint::{
    Metadata, StateDict, cast_floats, save_npz, save_sharded, save_state_dict, strip_prefix,
    weights_sha256,
};
use gradus_tensor::DType;
use serde_json::json;

use crate::args::{ConvertArgs, FloatType, Renaming};
use crate::exit::{Ending, usage};
use crate::output;
use crate::weights::Weights;

/// The largest file of a folder unless asked otherwise, in MB: what Hugging Face takes.
const SHARD_MB: u64 = 5000;

/// Files that make a folder of weights a model, beside the weights.
const COMPANIONS: [&str; 14] = [
    "added_tokens.json",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "preprocessor_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// What is written.
enum Target {
    SafeTensors,
    Npz,
    Folder,
}

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<Ending> {
    let target = target(args)?;
    let mut weights = Weights::open(&args.from)?;
    let metadata = weights.metadata();
    let tensors = converted(weights.load_all()?, args)?;
    drop(weights);
    let files = write(&target, args, &tensors, &metadata)?;
    let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let parameters: usize = tensors.iter().map(|(_, tensor)| tensor.numel()).sum();
    if args.json {
        output::json(&json!({
            "from": args.from.display().to_string(),
            "files": files,
            "tensors": tensors.len(),
            "parameters": parameters,
            "weights_sha256": weights_sha256(&tensors),
        }))?;
    } else {
        let files = files.join(", ");
        output::line(format_args!(
            "wrote {parameters} numbers in {} tensors to {files}",
            tensors.len()
        ))?;
    }
    Ok(Ending::Done)
}

/// The format by the name that is to be written.
fn target(args: &ConvertArgs) -> anyhow::Result<Target> {
    let extension = args.to.extension().and_then(|extension| extension.to_str());
    let target = match extension {
        _ if args.to.is_dir() => Target::Folder,
        Some("safetensors") => Target::SafeTensors,
        Some("npz") => Target::Npz,
        Some("pt" | "pth" | "bin" | "ckpt" | "npy" | "json") => {
            return Err(usage(format_args!(
                "{}: is not written; name a .safetensors or .npz file, or a folder",
                args.to.display()
            )));
        }
        _ => Target::Folder,
    };
    if args.max_shard_mb.is_some() && !matches!(target, Target::Folder) {
        return Err(usage(format_args!(
            "--max-shard-mb: {} is one file; name a folder",
            args.to.display()
        )));
    }
    Ok(target)
}

/// The tensors with all that the flags ask for.
fn converted(tensors: StateDict, args: &ConvertArgs) -> anyhow::Result<StateDict> {
    let mut tensors = match &args.strip_prefix {
        None => tensors,
        Some(prefix) => {
            let below = strip_prefix(tensors, prefix);
            if below.is_empty() {
                return Err(usage(format_args!(
                    "--strip-prefix {prefix}: no tensor's name begins so; `gradus inspect {}` lists them",
                    args.from.display()
                )));
            }
            below
        }
    };
    for renaming in &args.rename {
        rename(&mut tensors, renaming, &args.from)?;
    }
    for text in &args.transpose {
        transpose(&mut tensors, text)?;
    }
    let dtype = match args.dtype {
        None => return Ok(tensors),
        Some(FloatType::F32) => DType::F32,
        Some(FloatType::F16) => DType::F16,
        Some(FloatType::Bf16) => DType::BF16,
    };
    cast_floats(&tensors, dtype).with_context(|| args.from.display().to_string())
}

fn rename(tensors: &mut StateDict, renaming: &Renaming, from: &Path) -> anyhow::Result<()> {
    let mut found = false;
    for (name, _) in tensors.iter_mut() {
        if let Some(new) = renaming.apply(name) {
            *name = new;
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    Err(usage(format_args!(
        "--rename: no tensor's name {} {:?}; `gradus inspect {}` lists them",
        if renaming.anchored {
            "begins with"
        } else {
            "contains"
        },
        renaming.old,
        from.display()
    )))
}

fn transpose(tensors: &mut StateDict, text: &str) -> anyhow::Result<()> {
    let mut found = false;
    for (name, tensor) in tensors.iter_mut() {
        if name.contains(text) && tensor.rank() == 2 {
            *tensor = tensor.transpose(0, 1)?;
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    Err(usage(format_args!(
        "--transpose: no matrix's name contains {text:?}"
    )))
}

fn write(
    target: &Target,
    args: &ConvertArgs,
    tensors: &StateDict,
    metadata: &Metadata,
) -> anyhow::Result<Vec<PathBuf>> {
    let to = &args.to;
    match target {
        Target::SafeTensors => save_state_dict(to, tensors, metadata)?,
        Target::Npz => save_npz(to, tensors)?,
        Target::Folder => {
            let bytes = args.max_shard_mb.unwrap_or(SHARD_MB) * 1_000_000;
            let files = save_sharded(to, tensors, metadata, bytes)?;
            copy_companions(&args.from, to)?;
            return Ok(files);
        }
    }
    Ok(vec![to.clone()])
}

/// Copies what belongs to the model beside its weights, from a folder to another.
fn copy_companions(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_dir() || same_place(from, to) {
        return Ok(());
    }
    for name in COMPANIONS {
        let (source, copy) = (from.join(name), to.join(name));
        if !source.is_file() {
            continue;
        }
        if copy.is_dir() {
            bail!("{}: is a folder; cannot copy {name} there", copy.display());
        }
        fs::copy(&source, &copy).with_context(|| {
            let (source, copy) = (source.display(), copy.display());
            format!("{source}: cannot copy to {copy}")
        })?;
    }
    Ok(())
}

fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
