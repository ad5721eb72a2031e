//! Models with their checkpoints' key names: MLP, the tutorial's CNN, ResNet.
//!
//! One file a model: its config, its module, and the names under which PyTorch's counterpart keeps its weights. A model
//! is built against a [`gradus_nn::Scope`]; [`build`] does so by name, for programs that read the name from a config.
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

mod build;
mod mlp;
mod resnet;
mod tutorial_cnn;
mod weights;

pub use build::{ImageInput, MODELS, ModelError, ModelInfo, build};
pub use mlp::{Mlp, MlpConfig};
pub use resnet::{ResNet, ResNetConfig, Stem};
pub use tutorial_cnn::{TutorialCnn, TutorialCnnConfig};
pub use weights::{load_weights, load_weights_from};
