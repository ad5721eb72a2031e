//! The ops, one file each: documentation, validation, forward, backward and tests together.
//!
//! A file defines a struct that implements [`crate::Op`] and the method of [`crate::Var`] that applies it. The loops
//! over memory are kernels of `gradus-linalg`. `docs/adding-an-op.md` shows how to add one.

mod support;

mod add;
mod expand;
mod mul;
mod reshape;
mod sum;

pub(crate) use add::add_assign;
