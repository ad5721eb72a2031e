//! LoRA adapters of model folders: made beside a model's weights, and kept in files of their own as PEFT keeps them.
//!
//! An adapter's folder has `adapter_config.json` and `adapter_model.safetensors`, whose names are the model's own after
//! `base_model.model.`. Both directions go with PEFT.

use std::path::Path;

use gradus_checkpoint::{
    CheckpointError, Metadata, RealFileSystem, StateDict, compare_keys, load_state_dict,
    save_state_dict, shapes, write_atomically,
};
use gradus_nn::{LoraConfig, ParamStore, WeightLayout, is_adapter_key};
use serde_json::{Value, json};

use crate::pretrained::{OpenConfig, Pretrained, open_with_lora};
use crate::{FolderConfig, Head, ModelError, ModelResult};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// Opens the model of a folder with fresh adapters on the layers that the configuration picks; all else is frozen.
///
/// # Errors
/// As [`crate::open_pretrained`]; [`ModelError::NoTarget`] if it picks no layer.
pub fn open_adapted(
    folder: &Path,
    head: Head,
    options: &OpenConfig,
    lora: &LoraConfig,
) -> ModelResult<Pretrained> {
    let found = open_with_lora(folder, head, options, Some(lora))?;
    if !found.store.adapters().is_empty() {
        return Ok(found);
    }
    let matrices = found.store.keys().into_iter().filter_map(|(name, shape)| {
        let path = name.strip_suffix(".weight").filter(|_| shape.rank() == 2)?;
        let last = path.rsplit('.').next()?;
        // tables are no linear layers
        (!last.contains("embed") && last != "wte" && last != "wpe").then(|| last.to_owned())
    });
    let mut layers: Vec<String> = matrices.collect();
    layers.sort();
    layers.dedup();
    Err(ModelError::NoTarget {
        targets: lora.targets.clone(),
        layers,
    })
}

/// Opens the model of a folder with the adapter of another, as PEFT or [`save_adapter`] wrote it. What the adapter trains in full, such as
/// a head, comes from its folder, too.
///
/// # Errors
/// As [`open_adapted`], [`read_lora`] and [`load_adapter`].
pub fn open_with_adapter(
    folder: &Path,
    adapter: &Path,
    head: Head,
    options: &OpenConfig,
) -> ModelResult<Pretrained> {
    let lora = read_lora(adapter)?;
    let found = open_adapted(folder, head, options, &lora)?;
    load_adapter(adapter, &found.store, &lora)?;
    Ok(found)
}

/// The options in a folder's `adapter_config.json`.
///
/// # Errors
/// [`ModelError::Config`] if there is none, or it asks for what is not here: another kind of adapter than LoRA, trained biases, ranks by
/// layer, DoRA, or targets by a regular expression.
pub fn read_lora(folder: &Path) -> ModelResult<LoraConfig> {
    let config = FolderConfig::open_file(folder.join(CONFIG))?;
    let only = |key: &str, taken: &str| match config.optional_text(key)? {
        Some(got) if got != taken => Err(config.wrong(key, format!("{taken:?}"))),
        _ => Ok(()),
    };
    only("peft_type", "LORA")?;
    only("bias", "none")?;
    for key in ["use_dora", "lora_bias"] {
        if config.flag_or(key, false)? {
            return Err(config.wrong(key, "false"));
        }
    }
    let is_empty = |value: &Value| match value {
        Value::Object(keys) => keys.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    for key in [
        "rank_pattern",
        "alpha_pattern",
        "layers_to_transform",
        "target_parameters",
        "exclude_modules",
    ] {
        if config.get(key).is_some_and(|value| !is_empty(value)) {
            return Err(config.wrong(key, "empty: the targets name all layers"));
        }
    }
    let names = |key: &str| -> ModelResult<Vec<String>> {
        let wrong = || config.wrong(key, "a list of names of modules");
        let Some(value) = config.get(key) else {
            return Ok(Vec::new());
        };
        let items = value.as_array().ok_or_else(wrong)?.iter();
        let name = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
        items.map(name).collect()
    };
    let plain = LoraConfig::default();
    Ok(LoraConfig {
        rank: config.count_or("r", plain.rank)?,
        alpha: config.number_or("lora_alpha", plain.alpha)?,
        dropout: config.share_or("lora_dropout", plain.dropout)?,
        rank_stabilised: config.flag_or("use_rslora", plain.rank_stabilised)?,
        targets: names("target_modules")?,
        trained: names("modules_to_save")?,
    })
}

/// Puts the tensors of an adapter's folder into a store whose model was made with these options.
///
/// # Errors
/// [`CheckpointError::Keys`] with all that is missing, unexpected or misshapen; what is wrong with the file. The store is unchanged then.
pub fn load_adapter(folder: &Path, store: &ParamStore, lora: &LoraConfig) -> ModelResult<()> {
    let path = folder.join(WEIGHTS);
    let (state, _) = load_state_dict(&path)?;
    let own = |(name, tensor): (String, _)| {
        let name = name.strip_prefix(PREFIX).unwrap_or(&name);
        // names of older PEFT, which kept that of the adapter
        (name.replace(".default.weight", ".weight"), tensor)
    };
    let state: StateDict = state.into_iter().map(own).collect();
    let mut keys = store.keys();
    keys.retain(|(name, _)| is_of_adapter(name, lora));
    compare_keys(&keys, &shapes(&state)).map_err(|report| CheckpointError::Keys {
        path: path.clone(),
        report,
    })?;
    let mut all = store.state_dict();
    for (name, tensor) in &mut all {
        if let Some((_, new)) = state.iter().find(|(own, _)| own == name) {
            *tensor = new.clone();
        }
    }
    Ok(store.load_state_dict(&all)?)
}

/// Writes an adapter's folder that PEFT opens: the adapters of a store, and what these options train in full.
///
/// `base` is the name or path of the model that the adapter belongs to, and `task` PEFT's word for its head, such as `CAUSAL_LM`.
///
/// # Errors
/// What the file system or the format refuses, with the path.
pub fn save_adapter(
    folder: &Path,
    store: &ParamStore,
    lora: &LoraConfig,
    base: Option<&str>,
    task: Option<&str>,
) -> ModelResult<()> {
    std::fs::create_dir_all(folder).map_err(|cause| CheckpointError::Io {
        path: folder.to_owned(),
        action: "make the directory",
        cause,
    })?;
    let own = store.state_dict().into_iter();
    let of_adapter = own.filter(|(name, _)| is_of_adapter(name, lora));
    let state: StateDict = of_adapter
        .map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor))
        .collect();
    let text = format!("{:#}\n", peft_config(store, lora, base, task));
    let path = folder.join(CONFIG);
    write_atomically(&RealFileSystem, &path, &mut |file| {
        file.write_all(text.as_bytes())
    })?;
    let metadata = Metadata::from([("format".to_owned(), "pt".to_owned())]);
    save_state_dict(folder.join(WEIGHTS), &state, &metadata)?;
    Ok(())
}

fn is_of_adapter(name: &str, lora: &LoraConfig) -> bool {
    is_adapter_key(name) || lora.trains(name)
}

/// What PEFT reads. Patterns are given as the paths that they picked.
fn peft_config(
    store: &ParamStore,
    lora: &LoraConfig,
    base: Option<&str>,
    task: Option<&str>,
) -> Value {
    let adapters = store.adapters();
    let by_pattern = lora.targets.iter().any(|name| name.contains(['*', '?']));
    let targets: Vec<String> = if by_pattern {
        let paths = adapters.iter().map(|adapter| adapter.path().to_owned());
        paths.collect()
    } else {
        lora.targets.clone()
    };
    let turned = adapters
        .iter()
        .any(|adapter| adapter.layout() == WeightLayout::InOut);
    let trained = (!lora.trained.is_empty()).then_some(&lora.trained);
    json!({
        "alpha_pattern": {},
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": turned,
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "modules_to_save": trained,
        "peft_type": "LORA",
        "r": lora.rank,
        "rank_pattern": {},
        "target_modules": targets,
        "task_type": task,
        "use_dora": false,
        "use_rslora": lora.rank_stabilised,
    })
}
