//! What the crate promises as a whole: the tape, recomputation, gradient checks, and the museum's graph bugs.

mod gradcheck;
mod in_place;
mod no_grad;
mod recompute;
mod registry;
mod tape;

use gradus_autograd::{Tensor, Var};

/// A leaf of these f64 values.
fn leaf(values: &[f64]) -> Var {
    Var::leaf(Tensor::from_slice(values, values.len()).expect("a vector"))
}

fn constant(values: &[f64]) -> Var {
    leaf(values).detach()
}
