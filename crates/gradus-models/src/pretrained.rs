//! Text models from folders: `config.json` beside weights, as transformers writes them, and back.
//!
//! [`open_pretrained`] builds the model that the configuration names, with the head asked for, and loads the weights; [`export`] writes a
//! folder that transformers opens again. Models are the same objects whether pretrained or fresh: [`build_text`] makes a fresh one.

mod activation;
mod config;
mod pooling;
mod text_model;
mod weights;

use std::path::Path;

use gradus_autograd::DType;
use gradus_nn::{LoraConfig, ParamStore, Scope};

pub(crate) use activation::Activation;
pub(crate) use config::size_of;
pub use config::{ConfigFault, FolderConfig};
pub(crate) use pooling::{pooled, write_labels};
pub use text_model::{Architecture, CausalLm, Head, TextModel};
pub(crate) use text_model::{Sequences, require_sequences};
pub use weights::{Loaded, export, load_text_weights};
pub(crate) use weights::{load_named, read_weights, write_folder};

use crate::bert::Bert;
use crate::gpt2::Gpt2;
use crate::llama::Llama;
use crate::{ModelError, ModelResult};

/// The most parameters of a fresh text model: 40 GB in f32. What asks for more is a damaged file or a slip of the hand.
pub const MAX_FRESH_PARAMETERS: u64 = 10_000_000_000;

/// Builds the text model that a configuration names, with fresh weights, at `scope`.
///
/// # Errors
/// [`ModelError::Config`] for a configuration that the architecture does not take, or of more than [`MAX_FRESH_PARAMETERS`], before any of
/// them takes memory; [`ModelError::NotText`] for one that is no text model;
/// [`ModelError::Head`] for a head that it does not have; [`ModelError::Tensor`] if a layer cannot be made.
pub fn build_text(
    config: &FolderConfig,
    head: Head,
    scope: &Scope,
) -> ModelResult<Box<dyn TextModel>> {
    let plan = ParamStore::deferred(0, scope.dtype());
    make_text(config, head.clone(), &plan.root())?;
    let parameters = plan.parameter_count() as u64;
    if parameters > MAX_FRESH_PARAMETERS {
        return Err(config.fault(ConfigFault::TooLarge { parameters }));
    }
    make_text(config, head, scope)
}

/// [`build_text`] of any size, for stores that take no memory for it.
fn make_text(config: &FolderConfig, head: Head, scope: &Scope) -> ModelResult<Box<dyn TextModel>> {
    match config.architecture()? {
        Architecture::Bert | Architecture::Roberta | Architecture::DistilBert => {
            Ok(Box::new(Bert::new(scope, config, head)?))
        }
        Architecture::Gpt2 => Ok(Box::new(Gpt2::new(scope, config, head)?)),
        Architecture::Llama | Architecture::Qwen2 | Architecture::Mistral => {
            Ok(Box::new(Llama::new(scope, config, head)?))
        }
        architecture => Err(ModelError::NotText { architecture }),
    }
}

/// A text model with its weights.
pub struct Pretrained {
    /// All parameters, by transformers' names.
    pub store: ParamStore,
    /// The model.
    pub model: Box<dyn TextModel>,
    /// The folder's configuration.
    pub config: FolderConfig,
    /// Parameters of the head that the folder did not have: they start from random values.
    pub fresh: Vec<String>,
    /// Tensors of the folder that belong to another head.
    pub unused: Vec<String>,
}

/// How a folder is opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenConfig {
    /// The seed of parameters that the folder does not have. Default: 0.
    pub seed: u64,
    /// The dtype of the parameters; with bf16 that of matrices, as [`ParamStore::with_dtype`] says. Default: f32.
    pub dtype: DType,
    /// Whether blocks are computed again in the backward; see [`FolderConfig::with_recompute`]. Default: no.
    pub recompute: bool,
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            dtype: DType::F32,
            recompute: false,
        }
    }
}

/// Opens the model of a folder, with this head.
///
/// # Errors
/// As [`open_pretrained_with`].
pub fn open_pretrained(folder: &Path, head: Head) -> ModelResult<Pretrained> {
    open_pretrained_with(folder, head, &OpenConfig::default())
}

/// Opens the model of a folder, with this head.
///
/// # Errors
/// As [`FolderConfig::open`], [`build_text`] and [`load_text_weights`], and those of reading the weights.
pub fn open_pretrained_with(
    folder: &Path,
    head: Head,
    options: &OpenConfig,
) -> ModelResult<Pretrained> {
    open_with_lora(folder, head, options, None)
}

/// [`open_pretrained_with`], with adapters where they are asked for.
pub(crate) fn open_with_lora(
    folder: &Path,
    head: Head,
    options: &OpenConfig,
    lora: Option<&LoraConfig>,
) -> ModelResult<Pretrained> {
    let config = FolderConfig::open(folder)?.with_recompute(options.recompute);
    let store = ParamStore::deferred(options.seed, options.dtype);
    let scope = match lora {
        None => store.root(),
        Some(lora) => store.root().with_lora(lora.clone()),
    };
    let model = make_text(&config, head, &scope)?;
    let (state, path) = read_weights(folder)?;
    let Loaded { fresh, unused } = load_text_weights(&store, model.as_ref(), state, &path)?;
    Ok(Pretrained {
        store,
        model,
        config,
        fresh,
        unused,
    })
}
