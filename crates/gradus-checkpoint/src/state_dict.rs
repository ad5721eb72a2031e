//! State dicts: tensors by name, as files hold them.

use std::collections::BTreeMap;
use std::path::Path;

use gradus_tensor::{Shape, Tensor};

use crate::{RealFileSystem, Result, SafeTensorsFile, write_safetensors};

/// Tensors by name. Names are unique; the order is the owner's (insertion order, or that of a file's bytes).
pub type StateDict = Vec<(String, Tensor)>;

/// A file's metadata: strings by key.
pub type Metadata = BTreeMap<String, String>;

/// Saves a state dict as a safetensors file, atomically.
///
/// `format` is set to `pt` in the metadata unless it is given: Hugging Face's loaders refuse files without it. Equal
/// tensors and metadata give equal bytes, whatever the order of the list.
///
/// # Errors
/// As [`write_safetensors`]; the old file stays untouched then.
pub fn save_state_dict(
    path: impl AsRef<Path>,
    tensors: &[(String, Tensor)],
    metadata: &Metadata,
) -> Result<()> {
    let metadata = with_format(metadata);
    write_safetensors(&RealFileSystem, path.as_ref(), tensors, &metadata)
}

/// Loads all tensors of a safetensors file, and its metadata.
///
/// # Errors
/// As [`SafeTensorsFile::open`] and [`SafeTensorsFile::load_all`].
pub fn load_state_dict(path: impl AsRef<Path>) -> Result<(StateDict, Metadata)> {
    let mut file = SafeTensorsFile::open(path)?;
    let tensors = file.load_all()?;
    Ok((tensors, file.metadata().clone()))
}

/// The names and shapes of a state dict, for [`crate::compare_keys`].
pub fn shapes(tensors: &[(String, Tensor)]) -> Vec<(String, Shape)> {
    let shape = |(name, tensor): &(String, Tensor)| (name.clone(), *tensor.shape());
    tensors.iter().map(shape).collect()
}

/// The tensors whose names begin with `prefix`, without it; the others are left out.
///
/// A training checkpoint of PyTorch holds the weights under `state_dict.`, `model_state_dict.` or `model.`, beside the
/// state of its optimizer.
///
/// ```
/// use gradus_checkpoint::strip_prefix;
/// use gradus_tensor::Tensor;
/// let x = Tensor::scalar(1.0_f32).unwrap();
/// let all = vec![("model.fc.bias".to_owned(), x.clone()), ("optimizer.state.0.exp_avg".to_owned(), x)];
/// let weights = strip_prefix(all, "model.");
/// assert_eq!((weights.len(), weights[0].0.as_str()), (1, "fc.bias"));
/// ```
pub fn strip_prefix(tensors: StateDict, prefix: &str) -> StateDict {
    let strip = |(name, tensor): (String, Tensor)| {
        let name = name.strip_prefix(prefix)?.to_owned();
        Some((name, tensor))
    };
    tensors.into_iter().filter_map(strip).collect()
}

/// The metadata with `format` set.
pub(crate) fn with_format(metadata: &Metadata) -> Metadata {
    let mut metadata = metadata.clone();
    metadata
        .entry("format".to_owned())
        .or_insert_with(|| "pt".to_owned());
    metadata
}
