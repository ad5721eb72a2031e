//! Layers, parameter store, initialisation and losses with PyTorch's names and defaults.
//!
//! A model is built against a path: `scope.at("conv1")` makes the parameters `conv1.weight` and `conv1.bias`, so the
//! constructor's argument is the checkpoint's key. The [`ParamStore`] owns every parameter and buffer by name;
//! optimizers, checkpoints and freezing work on it. A layer is written by composing the ops of
//! [`gradus_autograd::Var`]; nothing here touches the tape or loops over memory.
//!
//! ```
//! use gradus_autograd::{Tensor, Var};
//! use gradus_nn::{Ctx, Linear, Module, ParamStore};
//!
//! let store = ParamStore::seeded(42);
//! let layer = Linear::new(&store.root().at("fc"), 3, 2)?;
//! let x = Var::constant(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [1, 3])?);
//! assert_eq!(layer.forward(&x, &Ctx::eval())?.dims(), [1, 2]);
//! let names: Vec<String> = store.state_dict().into_iter().map(|(name, _)| name).collect();
//! assert_eq!(names, ["fc.weight", "fc.bias"]);
//! # Ok::<(), gradus_autograd::Error>(())
//! ```
#![forbid(unsafe_code)]

mod ctx;
mod entry;
mod init;
mod layers;
mod lora;
mod module;
mod store;

pub use ctx::Ctx;
pub use gradus_autograd::{DType, Error, Result, ResultExt, Tensor, Var};
pub use init::{Fan, Gain, Init};
pub use layers::*;
pub use lora::{Adapter, LoraConfig, WeightLayout, is_adapter_key};
pub use module::{Identity, Module, Sequential};
pub use store::{ParamStore, Scope};
