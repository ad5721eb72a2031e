//! Dropout.

use gradus_autograd::{Result, ResultExt, Var};

use crate::{Ctx, Module, Scope};

/// In training sets each element to 0 with probability `p` and divides the others by `1 - p`; in evaluation the
/// identity. `torch.nn.Dropout`; Srivastava et al. 2014.
///
/// The mask is a function of the context's seed and step and of the layer's path. It is not stored: the backward makes
/// it again.
#[derive(Clone, Debug)]
pub struct Dropout {
    path: String,
    stream: u64,
    p: f64,
}

impl Dropout {
    /// Dropout with probability `p`. The scope names its random stream; nothing is stored there.
    pub fn new(scope: &Scope, p: f64) -> Self {
        Self {
            path: scope.path().to_owned(),
            stream: scope.stream(),
            p,
        }
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        if !ctx.is_training() {
            return Ok(x.clone());
        }
        x.dropout(self.p, &ctx.philox(self.stream), ctx.step())
            .at(|| self.path.as_str())
    }
}
