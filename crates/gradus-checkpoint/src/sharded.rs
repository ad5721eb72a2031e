//! Writing folders of weights as Hugging Face lays them out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gradus_tensor::{DType, Tensor};
use serde_json::json;

use crate::atomic::write_atomically;
use crate::error::Quoted;
use crate::state_dict::with_format;
use crate::{
    CheckpointError, FileSystem, FormatFault, Metadata, RealFileSystem, Result, StateDict,
    write_safetensors,
};

/// The one file of a folder whose weights fit it.
const WHOLE: &str = "model.safetensors";
/// The index of the shards.
const INDEX: &str = "model.safetensors.index.json";

/// Saves weights into a folder: `model.safetensors`, or shards of at most `max_shard_bytes` with their index, as
/// Hugging Face's libraries read them. Returns the files of tensors.
///
/// Tensors are sorted by name; one that is larger than a shard gets a shard of its own. Each file is written
/// atomically, and what the folder held before under these names goes last, so that a folder whose writing was
/// interrupted still opens: with the old weights, or refused because index and shards disagree.
///
/// # Errors
/// As [`crate::save_state_dict`].
///
/// ```
/// use gradus_checkpoint::{Metadata, WeightsFolder, save_sharded};
/// use gradus_tensor::Tensor;
/// # let dir = tempfile::tempdir().unwrap();
/// # let folder = dir.path();
/// let x = Tensor::from_slice(&[0.5_f32, 1.5], [2]).unwrap();
/// let weights = [("fc.bias".to_owned(), x.clone()), ("fc.scale".to_owned(), x)];
/// let files = save_sharded(folder, &weights, &Metadata::new(), 8)?;
/// assert_eq!(files[1], folder.join("model-00002-of-00002.safetensors"));
/// assert_eq!(WeightsFolder::open(folder)?.load_all()?.0.len(), 2);
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
pub fn save_sharded(
    dir: impl AsRef<Path>,
    tensors: &[(String, Tensor)],
    metadata: &Metadata,
    max_shard_bytes: u64,
) -> Result<Vec<PathBuf>> {
    let (fs, dir) = (&RealFileSystem, dir.as_ref());
    fs.create_dir(dir)
        .map_err(CheckpointError::io(dir, "create"))?;
    let mut sorted = tensors.to_vec();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    // A name that repeats could end in two shards, where nobody would see it.
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let tensor = pair[0].0.clone();
        let fault = FormatFault::DuplicateName { tensor };
        return Err(CheckpointError::format(&dir.join(WHOLE))(fault));
    }
    let metadata = with_format(metadata);
    let shards = shards(sorted, max_shard_bytes);
    let names = shard_names(shards.len());
    for (name, shard) in names.iter().zip(&shards) {
        write_safetensors(fs, &dir.join(name), shard, &metadata)?;
    }
    if shards.len() > 1 {
        write_index(dir, &names, &shards)?;
    }
    remove_others(dir, &names)?;
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// The tensors in their order, cut before each that does not fit the shard.
fn shards(tensors: StateDict, max_bytes: u64) -> Vec<StateDict> {
    let mut out = vec![StateDict::new()];
    let mut filled = 0_u64;
    for (name, tensor) in tensors {
        let size = bytes_of(&tensor);
        let full = filled.saturating_add(size) > max_bytes;
        match out.last_mut() {
            Some(shard) if shard.is_empty() || !full => {
                filled = filled.saturating_add(size);
                shard.push((name, tensor));
            }
            _ => {
                filled = size;
                out.push(vec![(name, tensor)]);
            }
        }
    }
    out
}

fn bytes_of(tensor: &Tensor) -> u64 {
    let bytes = tensor.numel().saturating_mul(tensor.dtype().size());
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn shard_names(count: usize) -> Vec<String> {
    if count == 1 {
        return vec![WHOLE.to_owned()];
    }
    let name = |number| format!("model-{number:05}-of-{count:05}.safetensors");
    (1..=count).map(name).collect()
}

fn write_index(dir: &Path, names: &[String], shards: &[StateDict]) -> Result<()> {
    let mut file_of = BTreeMap::new();
    let mut total = 0_u64;
    for (file, shard) in names.iter().zip(shards) {
        for (tensor, value) in shard {
            file_of.insert(tensor, file);
            total = total.saturating_add(bytes_of(value));
        }
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": file_of });
    write_atomically(&RealFileSystem, &dir.join(INDEX), &mut |out| {
        writeln!(out, "{index:#}")
    })
}

/// Removes what earlier saves left under names of ours: the whole file beside shards, or shards beside it.
fn remove_others(dir: &Path, written: &[String]) -> Result<()> {
    let fs = RealFileSystem;
    let entries = fs.list(dir).map_err(CheckpointError::io(dir, "list"))?;
    for entry in entries {
        let Some(name) = entry.name.to_str() else {
            continue;
        };
        let old_index = name == INDEX && written.len() == 1;
        let old = (name == WHOLE || is_shard(name)) && !written.iter().any(|w| w == name);
        if old || old_index {
            let path = dir.join(name);
            fs.remove(&path)
                .map_err(CheckpointError::io(&path, "remove"))?;
        }
    }
    Ok(())
}

/// Whether the name is `model-00001-of-00002.safetensors` or of that form.
fn is_shard(name: &str) -> bool {
    let number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("model-")
        .and_then(|rest| rest.strip_suffix(".safetensors"))
        .and_then(|rest| rest.split_once("-of-"))
        .is_some_and(|(this, all)| number(this) && number(all))
}

/// Why floats cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// A finite number would become infinite.
    #[error(
        "tensor {}: {value:e} does not fit {dtype}; bf16 and f32 reach further",
        Quoted(tensor)
    )]
    Overflow {
        /// The tensor.
        tensor: String,
        /// The number.
        value: f64,
        /// The dtype.
        dtype: DType,
    },
    /// A tensor cannot be made, or the dtype is none of floats.
    #[error("tensor {}: {cause}", Quoted(tensor))]
    Tensor {
        /// The tensor.
        tensor: String,
        /// The tensor error.
        cause: gradus_tensor::Error,
    },
}

/// The tensors with all floats in this dtype, rounded to nearest; integers and bools stay as they are.
///
/// # Errors
/// [`CastError::Overflow`] with the first finite number that would become infinite; [`CastError::Tensor`] if `dtype` is
/// none of floats, or memory runs out.
///
/// ```
/// use gradus_checkpoint::cast_floats;
/// use gradus_tensor::{DType, Tensor};
/// let weights = [("w".to_owned(), Tensor::from_slice(&[0.5_f32, 70_000.0], [2]).unwrap())];
/// assert_eq!(cast_floats(&weights, DType::BF16)?[0].1.dtype(), DType::BF16);
/// let refused = cast_floats(&weights, DType::F16).unwrap_err();
/// assert_eq!(refused.to_string(), r#"tensor "w": 7e4 does not fit f16; bf16 and f32 reach further"#);
/// # Ok::<(), gradus_checkpoint::CastError>(())
/// ```
pub fn cast_floats(tensors: &[(String, Tensor)], dtype: DType) -> Result<StateDict, CastError> {
    let cast = |(name, tensor): &(String, Tensor)| {
        if !tensor.dtype().is_float() || tensor.dtype() == dtype {
            return Ok((name.clone(), tensor.clone()));
        }
        let cast = cast_one(tensor, dtype).map_err(|cause| CastError::Tensor {
            tensor: name.clone(),
            cause,
        })?;
        match cast {
            Ok(cast) => Ok((name.clone(), cast)),
            Err(value) => Err(CastError::Overflow {
                tensor: name.clone(),
                value,
                dtype,
            }),
        }
    };
    tensors.iter().map(cast).collect()
}

/// The tensor in the dtype, or the first number that does not fit it.
fn cast_one(tensor: &Tensor, dtype: DType) -> gradus_tensor::Result<Result<Tensor, f64>> {
    if !dtype.is_float() {
        return Err(gradus_tensor::Error::DType {
            op: "cast_floats",
            expected: &[DType::F32, DType::F64, DType::BF16, DType::F16],
            got: dtype,
        });
    }
    let cast = tensor.to_dtype(dtype)?;
    let wide = |x: &Tensor| x.to_dtype(DType::F64)?.to_vec::<f64>();
    let (before, after) = (wide(tensor)?, wide(&cast)?);
    let mut pairs = before.into_iter().zip(after);
    let lost = pairs.find(|(before, after)| before.is_finite() && after.is_infinite());
    Ok(lost.map_or(Ok(cast), |(before, _)| Err(before)))
}
