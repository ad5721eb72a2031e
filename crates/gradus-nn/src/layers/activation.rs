//! Activations as modules, for [`crate::Sequential`].

use gradus_autograd::{Result, Var};

use crate::{Ctx, Module};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident => $method:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Module for $name {
            fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
                x.$method()
            }
        }
    )*};
}

activations! {
    /// `max(x, 0)`; `torch.nn.ReLU`.
    Relu => relu,
    /// `1 / (1 + e^-x)`; `torch.nn.Sigmoid`.
    Sigmoid => sigmoid,
    /// The hyperbolic tangent; `torch.nn.Tanh`.
    Tanh => tanh,
    /// `x · Φ(x)` with the exact error function; `torch.nn.GELU`.
    Gelu => gelu,
    /// `x · sigmoid(x)`; `torch.nn.SiLU`.
    Silu => silu,
}

/// `x` where positive, `slope · x` elsewhere; `torch.nn.LeakyReLU`.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope for negative values. Default: 0.01.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { slope: 0.01 }
    }
}

impl Module for LeakyRelu {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.leaky_relu(self.slope)
    }
}
