//! The fully connected layer.

use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Adapter, Ctx, Init, Module, Scope, WeightLayout};

/// `y = x · weightᵀ + bias`; `torch.nn.Linear`.
///
/// # Shapes
/// `(…, in_features) -> (…, out_features)`; `weight` is `(out_features, in_features)`, `bias` `(out_features,)`.
///
/// Both start uniformly in `±1 / sqrt(in_features)`. In a scope with a [`crate::LoraConfig`] that picks it, the layer has an adapter.
#[derive(Clone, Debug)]
pub struct Linear {
    path: String,
    weight: Parameter,
    bias: Option<Parameter>,
    adapter: Option<Adapter>,
}

impl Linear {
    /// A layer with a bias.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, in_features: usize, out_features: usize) -> Result<Self> {
        let init = Init::Fan {
            fan_in: in_features,
        };
        Self::make(scope, [out_features, in_features], init, Some(init))
    }

    /// A layer without a bias.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn without_bias(scope: &Scope, in_features: usize, out_features: usize) -> Result<Self> {
        let init = Init::Fan {
            fan_in: in_features,
        };
        Self::make(scope, [out_features, in_features], init, None)
    }

    /// A layer whose weight starts by `init`, and whose bias, if it has one, starts at 0: the manner of language models.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn with_init(
        scope: &Scope,
        in_features: usize,
        out_features: usize,
        bias: bool,
        init: Init,
    ) -> Result<Self> {
        let zeros = bias.then_some(Init::Zeros);
        Self::make(scope, [out_features, in_features], init, zeros)
    }

    fn make(scope: &Scope, shape: [usize; 2], init: Init, bias_init: Option<Init>) -> Result<Self> {
        let weight = scope.parameter("weight", shape, init)?;
        let bias = bias_init.map(|init| scope.parameter("bias", [shape[0]], init));
        Ok(Self {
            path: scope.path().to_owned(),
            bias: bias.transpose()?,
            adapter: Adapter::of(scope, &weight, WeightLayout::OutIn)?,
            weight,
        })
    }

    /// The weight, `(out_features, in_features)`.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The bias, `(out_features,)`.
    pub fn bias(&self) -> Option<&Parameter> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let bias = self.bias.as_ref().map(Parameter::var);
        let y = x
            .linear(&self.weight.var(), bias.as_ref())
            .at(|| self.path.as_str())?;
        match &self.adapter {
            Some(adapter) => adapter.add(&y, x, ctx),
            None => Ok(y),
        }
    }
}
