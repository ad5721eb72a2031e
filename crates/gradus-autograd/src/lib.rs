//! Reverse-mode automatic differentiation: vars, the tape, ops with their derivatives, gradient checks.
//!
//! A [`Var`] is a tensor that may stand on the tape. Every op goes through one door, [`apply`], which records it if an
//! input needs a gradient. [`Var::backward`] walks the tape back; [`grad`] also gives gradients of gradients. Only
//! [`Var::detach`], [`Var::tensor`] and [`no_grad`] lose a gradient, and an op without one is an error that names it.
//!
//! ```
//! use gradus_autograd::{Tensor, Var};
//! let x = Var::leaf(Tensor::from_slice(&[3.0_f64], [1])?);
//! let y = x.mul(&x)?.sum(&[], false)?; // y = x², dy/dx = 2x
//! let grads = y.backward()?;
//! assert_eq!(grads.get_var(&x).unwrap().item::<f64>()?, 6.0);
//! # Ok::<(), gradus_autograd::Error>(())
//! ```
#![forbid(unsafe_code)]

mod again;
mod apply;
mod autocast;
mod engine;
mod gradcheck;
mod gradients;
mod no_grad;
mod node;
mod nonfinite;
mod op;
pub mod ops;
mod parameter;
mod profile;
mod recompute;
pub mod registry;
mod var;

pub use apply::{apply, apply_multi};
pub use autocast::{autocast, precision};
pub use engine::{GradConfig, grad};
pub use gradcheck::{GradcheckConfig, GradcheckReport, gradcheck, gradgradcheck};
pub use gradients::Gradients;
pub use gradus_linalg::gemm::Precision;
pub use gradus_tensor::{DType, Element, Error, IntoShape, Result, ResultExt, Shape, Tensor};
pub use no_grad::no_grad;
pub use nonfinite::{check_finite, nonfinite};
pub use op::{Backward, Op, Outputs, Saves, Stats};
pub use parameter::{Buffer, Parameter};
pub use profile::{OpProfile, profile};
pub use recompute::{is_recomputing, recompute};
pub use var::Var;
