//! Tensors without arithmetic: dtypes, layouts, pooled storage, views, printing.
//!
//! A [`Tensor`] is a shared storage with a [`Layout`]. It is immutable to its users; whoever holds the only
//! reference may rewrite it in place ([`Tensor::make_mut`]). This crate moves bytes and describes them. It computes
//! nothing, knows no thread and no gradient.
//!
//! ```
//! use gradus_tensor::Tensor;
//! let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
//! let y = x.transpose(0, 1)?.flip(&[0])?; // views: nothing is copied
//! assert_eq!(y.dims(), [3, 2]);
//! assert_eq!(y.to_vec::<f32>()?, [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
//! # Ok::<(), gradus_tensor::Error>(())
//! ```

mod cast;
mod construct;
mod copy;
mod display;
mod dtype;
mod error;
mod layout;
mod overwrite;
mod reshape;
mod shape;
mod storage;
mod tensor;
mod view;
mod views;

pub use construct::Step;
pub use dtype::{DType, Element};
pub use error::{Error, Result, ResultExt};
pub use half::{bf16, f16};
pub use layout::Layout;
pub use shape::{IntoShape, MAX_RANK, Shape, broadcast_shapes};
pub use storage::pool;
pub use tensor::Tensor;
pub use view::View;
