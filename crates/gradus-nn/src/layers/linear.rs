//! The fully connected layer.

use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// `y = x · weightᵀ + bias`; `torch.nn.Linear`.
///
/// # Shapes
/// `(…, in_features) -> (…, out_features)`; `weight` is `(out_features, in_features)`, `bias` `(out_features,)`.
///
/// Both start uniformly in `±1 / sqrt(in_features)`.
#[derive(Clone, Debug)]
pub struct Linear {
    path: String,
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Linear {
    /// A layer with a bias.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, in_features: usize, out_features: usize) -> Result<Self> {
        let mut layer = Self::without_bias(scope, in_features, out_features)?;
        layer.bias = Some(scope.parameter(
            "bias",
            [out_features],
            Init::Fan {
                fan_in: in_features,
            },
        )?);
        Ok(layer)
    }

    /// A layer without a bias.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn without_bias(scope: &Scope, in_features: usize, out_features: usize) -> Result<Self> {
        let weight = scope.parameter(
            "weight",
            [out_features, in_features],
            Init::Fan {
                fan_in: in_features,
            },
        )?;
        Ok(Self {
            path: scope.path().to_owned(),
            weight,
            bias: None,
        })
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
        let weight = scope.parameter("weight", [out_features, in_features], init)?;
        let zeros = || scope.parameter("bias", [out_features], Init::Zeros);
        Ok(Self {
            path: scope.path().to_owned(),
            weight,
            bias: bias.then(zeros).transpose()?,
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
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let bias = self.bias.as_ref().map(Parameter::var);
        x.linear(&self.weight.var(), bias.as_ref())
            .at(|| self.path.as_str())
    }
}
