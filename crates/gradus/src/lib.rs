//! Deep learning on CPUs: the libraries behind one prelude.
//!
//! Each crate of the workspace is a module here under its short name, and [`prelude`] has the names that most programs
//! need. What a program does with them, from data to weights: samples become batches ([`data`]), batches become
//! [`Var`](prelude::Var)s that go through layers ([`nn`], [`models`]), a loss is taken back to gradients
//! ([`autograd`]), an optimizer changes the parameters ([`optim`]), and the weights go to a file ([`checkpoint`]).
//! [`train`] does all of this for a configuration. [`text`] turns text into token ids and back.
//!
//! ```
//! use gradus::prelude::*;
//!
//! // Two noisy classes in the plane: is the first coordinate above the second?
//! let x: Vec<f32> = (0..128_u8).map(|i| f32::from(i.wrapping_mul(37) % 64) / 64.0).collect();
//! let y: Vec<i64> = x.chunks(2).map(|p| i64::from(p[0] > p[1])).collect();
//! let (x, y) = (Tensor::from_slice(&x, [64, 2])?, Tensor::from_slice(&y, [64])?);
//!
//! let store = ParamStore::seeded(42);
//! let net = Mlp::new(&store.root(), &MlpConfig { inputs: 2, hidden: vec![16], classes: 2 })?;
//! let parameters = store.parameters();
//! let mut sgd = Sgd::new(SgdConfig { lr: 0.5, momentum: 0.9, ..Default::default() })?;
//! let mut losses = Vec::new();
//! for step in 0..50 {
//!     let logits = net.forward(&Var::constant(x.clone()), &Ctx::train(42, step))?; // (64, 2)
//!     let loss = logits.cross_entropy(&y, &CrossEntropyConfig::default())?;
//!     losses.push(loss.item::<f32>()?);
//!     sgd.step(&parameters, &loss.backward()?)?;
//! }
//! assert!(losses[49] < 0.3 * losses[0], "{losses:?}");
//! let digest = weights_sha256(&store.state_dict()); // the same for any number of threads
//! assert_eq!(digest.len(), 64);
//! # Ok::<(), Error>(())
//! ```
#![forbid(unsafe_code)]

pub use gradus_autograd as autograd;
pub use gradus_checkpoint as checkpoint;
pub use gradus_data as data;
pub use gradus_linalg as linalg;
pub use gradus_models as models;
pub use gradus_nn as nn;
pub use gradus_optim as optim;
pub use gradus_tensor as tensor;
pub use gradus_text as text;
pub use gradus_train as train;

/// The names that most programs need.
///
/// Names that a program of its own is likely to have, such as `train` or the data transforms' `Step`, stay in their
/// modules.
pub mod prelude {
    pub use gradus_autograd::ops::CrossEntropyConfig;
    pub use gradus_autograd::{
        Buffer, DType, Error, GradConfig, GradcheckConfig, Gradients, Parameter, Result, ResultExt,
        Shape, Tensor, Var, autocast, grad, gradcheck, no_grad, recompute,
    };
    pub use gradus_checkpoint::{
        Metadata, StateDict, load_state_dict, save_state_dict, weights_sha256,
    };
    pub use gradus_data::{
        Batch, Compose, DataError, Dataset, ImageDataset, ImageDatasetConfig, Loader, LoaderConfig,
        Sample, TensorDataset, TransformSpec, embedded, open_folder,
    };
    pub use gradus_linalg::threads::{install, set_threads, with_threads};
    pub use gradus_models::{
        ImageInput, Mlp, MlpConfig, ResNet, ResNetConfig, TutorialCnn, TutorialCnnConfig,
        load_weights,
    };
    pub use gradus_nn::{
        AvgPool2d, BatchNorm, BatchNormConfig, Conv2d, Conv2dLayerConfig, Ctx, Dropout, Flatten,
        Gelu, Init, Linear, MaxPool2d, Module, ParamStore, Relu, Scope, Sequential, Sigmoid, Silu,
        Tanh,
    };
    pub use gradus_optim::{
        Adam, AdamConfig, Ema, Optimizer, Schedule, Sgd, SgdConfig, clip_grad_norm,
    };
    pub use gradus_text::{EncodeConfig, Encoding, Message, TextError, Tokenizer};
    pub use gradus_train::config::TrainConfig;
    pub use gradus_train::metrics::{EvalReport, Evaluation};
    pub use gradus_train::{Observer, Outcome, RunRequest, SavedModel, Silent, TrainError};
}

/// The examples of the tutorial and of the README, compiled and run as they stand there.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/tutorial.md")]
    struct Tutorial;

    #[doc = include_str!("../../../README.md")]
    struct Readme;
}
