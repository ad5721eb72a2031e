//! Activations by the names of transformers' configurations.

use gradus_autograd::{Result, Var};

use super::FolderConfig;
use crate::ModelResult;

/// A nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Gelu,
    GeluTanh,
    QuickGelu,
    Relu,
    Silu,
    Tanh,
}

/// The names, each with its nonlinearity. Several names of one are formulas that round differently.
const NAMES: [(&str, Activation); 11] = [
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_accurate", Activation::GeluTanh),
    ("quick_gelu", Activation::QuickGelu),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

impl Activation {
    /// The activation that a key names, or the default's name where it is missing.
    pub(crate) fn read(config: &FolderConfig, key: &str, default: &str) -> ModelResult<Self> {
        let name = config.optional_text(key)?.unwrap_or(default);
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, activation)| *activation).ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            config.wrong(key, format!("one of {}", known.join(", ")))
        })
    }

    pub(crate) fn apply(self, x: &Var) -> Result<Var> {
        match self {
            Self::Gelu => x.gelu(),
            Self::GeluTanh => x.gelu_tanh(),
            Self::QuickGelu => x.mul(&x.mul_scalar(1.702)?.sigmoid()?),
            Self::Relu => x.relu(),
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
        }
    }
}
