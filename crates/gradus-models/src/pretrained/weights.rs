//! Checkpoints of model folders: which of their names are whose, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gradus_autograd::{Shape, Tensor};
use gradus_checkpoint::{
    CheckpointError, Metadata, RealFileSystem, StateDict, WeightsFolder, save_state_dict, shapes,
    write_atomically,
};
use gradus_nn::{ParamStore, is_adapter_key};
use serde_json::Value;

use super::config::CONFIG_FILE;
use super::{Architecture, TextModel};
use crate::weights::require_keys;
use crate::{ModelResult, load_weights_from};

/// The name of the weights in a model folder.
const WEIGHTS_FILE: &str = "model.safetensors";

/// Endings of names that old checkpoints carry and no model of today has: constants that follow from the configuration.
const CONSTANTS: [&str; 4] = [
    ".position_ids",
    ".rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
];

/// What became of a checkpoint's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Parameters of the head that the checkpoint does not have: they keep their initial values.
    pub fresh: Vec<String>,
    /// Tensors of the checkpoint that belong to another head.
    pub unused: Vec<String>,
}

/// The tensors of a model folder, and the file that messages name: the folder itself for several.
pub(crate) fn read_weights(folder: &Path) -> Result<(StateDict, PathBuf), CheckpointError> {
    let mut weights = WeightsFolder::open(folder)?;
    let path = match weights.files() {
        [file] => file.clone(),
        _ => folder.to_owned(),
    };
    Ok((weights.load_all()?.0, path))
}

/// Puts a checkpoint of transformers into a model of this architecture; `path` says in messages where it is from.
///
/// Names are taken with or without the prefix of the base model (`bert.`, `model.` …), norms also as `gamma` and `beta`. A repeated tied
/// parameter is read once. What belongs to another head is left and reported, as are parameters of this head that the checkpoint lacks: in a
/// deferred store these alone get initial values.
///
/// # Errors
/// [`CheckpointError::Keys`] with everything else that is missing, unexpected or misshapen, together. The store is unchanged then.
pub fn load_text_weights(
    store: &ParamStore,
    model: &dyn TextModel,
    state: StateDict,
    path: &Path,
) -> ModelResult<Loaded> {
    load_named(store, model.architecture(), &model.tied_keys(), state, path)
}

/// [`load_text_weights`] for an architecture with these tied names.
pub(crate) fn load_named(
    store: &ParamStore,
    architecture: Architecture,
    tied: &[[String; 2]],
    state: StateDict,
    path: &Path,
) -> ModelResult<Loaded> {
    let keys = store.keys();
    let known: BTreeSet<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    let mut loaded = Loaded::default();
    let mut named: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut repeated = Vec::new();
    for (name, tensor) in state {
        if CONSTANTS.iter().any(|end| name.ends_with(end)) && !known.contains(name.as_str()) {
            continue;
        }
        let own = own_name(&name, architecture, &known);
        let own_tied = tied.iter().find(|[alias, _]| *alias == own);
        match own_tied {
            Some([_, target]) if !known.contains(own.as_str()) => {
                repeated.push((target.clone(), tensor));
            }
            _ if !known.contains(own.as_str()) && architecture.is_head(&own) => {
                loaded.unused.push(name);
            }
            // A parameter that is there twice, under two of its names, is reported under the second.
            _ if named.contains_key(&own) => {
                named.insert(name, tensor);
            }
            _ => {
                named.insert(own, tensor);
            }
        }
    }
    for (target, tensor) in repeated {
        named.entry(target).or_insert(tensor);
    }
    // What the store itself must give: its adapters, and what the checkpoint lacks of the head.
    let mut found: Vec<(String, Shape)> = Vec::new();
    let mut own = BTreeSet::new();
    for (name, shape) in &keys {
        let is_adapter = is_adapter_key(name);
        if is_adapter || (architecture.is_head(name) && !named.contains_key(name)) {
            named.remove(name);
            found.push((name.clone(), *shape));
            own.insert(name.as_str());
            if !is_adapter {
                loaded.fresh.push(name.clone());
            }
        }
    }
    let mut state: StateDict = named.into_iter().collect();
    found.extend(shapes(&state));
    require_keys(&keys, &found, path)?;
    store.initialise(|name| own.contains(name))?;
    let values = store.state_dict().into_iter();
    state.extend(values.filter(|(name, _)| own.contains(name.as_str())));
    load_weights_from(store, &state, path)?;
    Ok(loaded)
}

/// The model's name for a tensor of the checkpoint, where it has one.
fn own_name(name: &str, architecture: Architecture, known: &BTreeSet<&str>) -> String {
    let norm = [(".gamma", ".weight"), (".beta", ".bias")].iter().find_map(
        |(old, new)| -> Option<String> {
            let start = name.strip_suffix(old)?;
            start
                .ends_with("LayerNorm")
                .then(|| format!("{start}{new}"))
        },
    );
    let name = norm.as_deref().unwrap_or(name);
    let prefix = architecture.base_prefix();
    if known.contains(name) {
        return name.to_owned();
    }
    let with = format!("{prefix}{name}");
    if known.contains(with.as_str()) {
        return with;
    }
    match name.strip_prefix(prefix) {
        Some(without) if known.contains(without) => without.to_owned(),
        _ => name.to_owned(),
    }
}

/// Writes a model folder that transformers' `from_pretrained` opens: `config.json` and `model.safetensors`, with transformers' names and
/// each tied parameter once. Adapters are left out: merge them before ([`ParamStore::merge_adapters`]), or see [`crate::save_adapter`].
///
/// # Errors
/// What the file system or the format refuses, with the path.
pub fn export(folder: &Path, model: &dyn TextModel, store: &ParamStore) -> ModelResult<()> {
    write_folder(folder, model.config_json(), store)
}

/// Writes a configuration, with the dtype of the store, and the store's tensors.
pub(crate) fn write_folder(
    folder: &Path,
    mut config: Value,
    store: &ParamStore,
) -> ModelResult<()> {
    let io = |path: &Path, action| {
        let path = path.to_owned();
        move |cause| CheckpointError::Io {
            path,
            action,
            cause,
        }
    };
    std::fs::create_dir_all(folder).map_err(io(folder, "make the directory"))?;
    if let Some(keys) = config.as_object_mut() {
        keys.remove("torch_dtype");
        keys.insert("dtype".into(), dtype_name(store).into());
    }
    let path = folder.join(CONFIG_FILE);
    let text = format!("{config:#}\n");
    write_atomically(&RealFileSystem, &path, &mut |file| {
        file.write_all(text.as_bytes())
    })?;
    let mut state = store.state_dict();
    state.retain(|(name, _)| !is_adapter_key(name));
    save_state_dict(folder.join(WEIGHTS_FILE), &state, &Metadata::new())?;
    Ok(())
}

/// PyTorch's name of the store's dtype.
fn dtype_name(store: &ParamStore) -> &'static str {
    match store.root().dtype() {
        gradus_autograd::DType::F64 => "float64",
        gradus_autograd::DType::BF16 => "bfloat16",
        _ => "float32",
    }
}
