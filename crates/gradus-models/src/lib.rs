//! Models with their checkpoints' key names: MLP, the tutorial's CNN, ResNet, BERT and its kin, GPT-2, LLaMA and its kin.
//!
//! One file a model: its config, its module, and the names under which PyTorch's counterpart keeps its weights. A model
//! is built against a [`gradus_nn::Scope`]; [`build`] does so by name, for programs that read the name from a config. Text models come
//! from folders as transformers writes them: [`open_pretrained`], [`build_text`], [`export`]; [`generate()`] continues texts, and
//! [`open_adapted`] gives a model LoRA adapters.
//!
//! ```
//! use gradus_models::{ImageInput, build};
//! use gradus_nn::{Ctx, DType, Module, ParamStore, Tensor, Var};
//!
//! let store = ParamStore::seeded(42);
//! let net = build("tutorial-cnn", &store.root(), &ImageInput { channels: 3, size: [32, 32], classes: 10 })?;
//! let x = Var::constant(Tensor::zeros([4, 3, 32, 32], DType::F32)?);
//! assert_eq!(net.forward(&x, &Ctx::eval())?.dims(), [4, 10]);
//! assert_eq!(store.parameter_count(), 62_006);
//! # Ok::<(), gradus_models::ModelError>(())
//! ```
#![forbid(unsafe_code)]

mod adapter;
mod bert;
mod build;
mod decoder;
mod generate;
mod gpt2;
mod kv_cache;
mod llama;
mod lstm;
mod mlp;
mod pretrained;
mod resnet;
mod rope;
mod self_attention;
mod transformer;
mod tutorial_cnn;
mod vit;
mod weights;

pub use adapter::{load_adapter, open_adapted, open_with_adapter, read_lora, save_adapter};
pub use bert::Bert;
pub(crate) use build::ModelResult;
pub use build::{ImageInput, MODELS, ModelError, ModelInfo, build};
pub use generate::{Finish, GenerateConfig, Generated, generate};
pub use gpt2::Gpt2;
pub use kv_cache::KvCache;
pub use llama::Llama;
pub use lstm::{LstmClassifier, LstmClassifierConfig};
pub use mlp::{Mlp, MlpConfig};
pub use pretrained::{
    Architecture, CausalLm, ConfigFault, FolderConfig, Head, Loaded, MAX_FRESH_PARAMETERS,
    OpenConfig, Pretrained, TextModel, build_text, export, load_text_weights, open_pretrained,
    open_pretrained_with,
};
pub use resnet::{ResNet, ResNetConfig, Stem};
pub use transformer::{EncoderDecoder, EncoderDecoderConfig, Positions};
pub use tutorial_cnn::{TutorialCnn, TutorialCnnConfig};
pub use vit::{PretrainedVit, Vit, VitConfig, open_vit};
pub use weights::{load_weights, load_weights_from};
