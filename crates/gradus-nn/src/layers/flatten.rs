//! Flattening.

use gradus_autograd::{Result, Var};

use crate::{Ctx, Module};

/// Merges all dims but the first: `(N, …) -> (N, features)`; `torch.nn.Flatten`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.flatten(1, -1)
    }
}
