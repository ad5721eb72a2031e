//! Modules: what maps a var to a var.

use gradus_autograd::{Result, Var};

use crate::Ctx;

/// A part of a network with one input and one output.
///
/// Parameters are held as [`gradus_autograd::Parameter`]s and read in each forward, so a module never changes.
pub trait Module: Send + Sync {
    /// Computes the output.
    ///
    /// # Errors
    /// Those of the ops, with the module's path in front.
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var>;
}

/// Gives its input back; `torch.nn.Identity`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl Module for Identity {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        Ok(x.clone())
    }
}

/// Modules one after the other; `torch.nn.Sequential`.
///
/// ```
/// use gradus_autograd::{Tensor, Var};
/// use gradus_nn::{Ctx, Linear, Module, ParamStore, Relu, Sequential};
///
/// let store = ParamStore::seeded(0);
/// let root = store.root();
/// let net = Sequential::new()
///     .push(Linear::new(&root.at(0), 4, 8)?)
///     .push(Relu)
///     .push(Linear::new(&root.at(2), 8, 2)?);
/// let x = Var::constant(Tensor::zeros([5, 4], gradus_autograd::DType::F32)?);
/// assert_eq!(net.forward(&x, &Ctx::eval())?.dims(), [5, 2]);
/// # Ok::<(), gradus_autograd::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    modules: Vec<Box<dyn Module>>,
}

impl Sequential {
    /// No modules: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more module at the end.
    #[must_use]
    pub fn push(mut self, module: impl Module + 'static) -> Self {
        self.modules.push(Box::new(module));
        self
    }

    /// How many modules.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there are no modules.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        self.modules
            .iter()
            .try_fold(x.clone(), |x, module| module.forward(&x, ctx))
    }
}
