//! Activations as modules, for [`crate::Sequential`].

use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

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
    /// `ln sigmoid(x)`; `torch.nn.LogSigmoid`.
    LogSigmoid => log_sigmoid,
    /// Scaled exponential linear unit; `torch.nn.SELU`.
    Selu => selu,
    /// `x · tanh(softplus(x))`; `torch.nn.Mish`.
    Mish => mish,
    /// `x · relu6(x + 3) / 6`; `torch.nn.Hardswish`.
    Hardswish => hardswish,
    /// `relu6(x + 3) / 6`; `torch.nn.Hardsigmoid`.
    Hardsigmoid => hardsigmoid,
    /// `x` limited to `0..=6`; `torch.nn.ReLU6`.
    Relu6 => relu6,
    /// `x / (1 + |x|)`; `torch.nn.Softsign`.
    Softsign => softsign,
    /// `x - tanh(x)`; `torch.nn.Tanhshrink`.
    Tanhshrink => tanhshrink,
}

macro_rules! with_options {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr),* $(,)? }
        ($self:ident, $x:ident) $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
        impl Default for $name { fn default() -> Self { Self { $($field: $default,)* } } }
        impl Module for $name {
            fn forward(&$self, $x: &Var, _ctx: &Ctx) -> Result<Var> { $body }
        }
    )*};
}

with_options! {
    /// [`Var::elu`]; `torch.nn.ELU`.
    Elu {
        /// What it saturates at, but for the sign. Default: 1.
        alpha: f64 = 1.0,
    } (self, x) x.elu(self.alpha);
    /// [`Var::celu`]; `torch.nn.CELU`.
    Celu {
        /// What it saturates at, but for the sign. Default: 1.
        alpha: f64 = 1.0,
    } (self, x) x.celu(self.alpha);
    /// [`Var::hardtanh`]; `torch.nn.Hardtanh`.
    Hardtanh {
        /// Default: -1.
        min_val: f64 = -1.0,
        /// Default: 1.
        max_val: f64 = 1.0,
    } (self, x) x.hardtanh(self.min_val, self.max_val);
    /// [`Var::softplus`]; `torch.nn.Softplus`.
    Softplus {
        /// Default: 1.
        beta: f64 = 1.0,
        /// Where it becomes linear. Default: 20.
        threshold: f64 = 20.0,
    } (self, x) x.softplus(self.beta, self.threshold);
    /// [`Var::softshrink`]; `torch.nn.Softshrink`.
    Softshrink {
        /// Default: 0.5.
        lambd: f64 = 0.5,
    } (self, x) x.softshrink(self.lambd);
    /// [`Var::hardshrink`]; `torch.nn.Hardshrink`.
    Hardshrink {
        /// Default: 0.5.
        lambd: f64 = 0.5,
    } (self, x) x.hardshrink(self.lambd);
    /// [`Var::threshold`]; `torch.nn.Threshold`, where both must be given.
    Threshold {
        /// What elements have to exceed. Default: 0.
        threshold: f64 = 0.0,
        /// What the others become. Default: 0.
        value: f64 = 0.0,
    } (self, x) x.threshold(self.threshold, self.value);
    /// [`Var::glu`]; `torch.nn.GLU`.
    Glu {
        /// The dim that is halved. Default: the last.
        dim: isize = -1,
    } (self, x) x.glu(self.dim);
    /// [`Var::softmax`]; `torch.nn.Softmax`.
    Softmax {
        /// The dim that sums to 1. Default: the last (PyTorch's choice depends on the rank).
        dim: isize = -1,
    } (self, x) x.softmax(self.dim);
    /// [`Var::log_softmax`]; `torch.nn.LogSoftmax`.
    LogSoftmax {
        /// The dim. Default: the last (PyTorch's choice depends on the rank).
        dim: isize = -1,
    } (self, x) x.log_softmax(self.dim);
    /// [`Var::softmin`]; `torch.nn.Softmin`.
    Softmin {
        /// The dim that sums to 1. Default: the last (PyTorch's choice depends on the rank).
        dim: isize = -1,
    } (self, x) x.softmin(self.dim);
}

/// `x` where positive, `weight · x` elsewhere, with one learned weight or one a channel; `torch.nn.PReLU`. He et al. 2015.
#[derive(Clone, Debug)]
pub struct PRelu {
    path: String,
    weight: Parameter,
}

impl PRelu {
    /// With `count` weights (PyTorch's default: 1) that start at 0.25.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn new(scope: &Scope, count: usize) -> Result<Self> {
        Ok(Self {
            path: scope.path().to_owned(),
            weight: scope.parameter("weight", [count], Init::Constant(0.25))?,
        })
    }
}

impl Module for PRelu {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.prelu(&self.weight.var()).at(|| self.path.as_str())
    }
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
