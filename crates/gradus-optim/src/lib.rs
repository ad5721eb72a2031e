//! Optimizers, gradient clipping, schedules and weight averaging.
//!
//! An optimizer changes [`gradus_autograd::Parameter`]s by their [`gradus_autograd::Gradients`]; it knows no module.
//! Its arithmetic and defaults are PyTorch's. Schedules are pure functions of the step, so a resumed run needs no
//! schedule state but for [`schedule::Plateau`].
//!
//! ```
//! use gradus_autograd::{Parameter, Tensor};
//! use gradus_optim::{Optimizer, Sgd, SgdConfig};
//!
//! let w = Parameter::new("w", Tensor::from_slice(&[3.0_f32], [1])?);
//! let mut sgd = Sgd::new(SgdConfig { lr: 0.1, ..Default::default() })?;
//! let loss = w.var().mul(&w.var())?.sum(&[], false)?; // w², whose gradient is 2w
//! sgd.step(&[w.clone()], &loss.backward()?)?;
//! assert!((w.tensor().item::<f32>()? - 2.4).abs() < 1e-6);
//! # Ok::<(), gradus_autograd::Error>(())
//! ```
#![forbid(unsafe_code)]

mod adam;
mod clip;
mod ema;
mod group;
mod optimizer;
pub mod schedule;
mod sgd;
mod slots;

pub use adam::{Adam, AdamConfig};
pub use clip::{clip_grad_norm, clip_grad_value, grad_norm};
pub use ema::Ema;
pub use group::{ParamGroup, matches_pattern};
pub use optimizer::{Optimizer, OptimizerState};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdConfig};
