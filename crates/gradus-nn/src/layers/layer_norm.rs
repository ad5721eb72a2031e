//! Normalisation of rows: layer norm and RMS norm.

use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`LayerNorm`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNormConfig {
    /// Added to the variance. Default: 1e-5.
    pub eps: f64,
    /// Whether there is a weight (and a bias). Default: yes.
    pub elementwise_affine: bool,
    /// Whether there is a bias beside the weight. Default: yes.
    pub bias: bool,
}

impl Default for LayerNormConfig {
    fn default() -> Self {
        Self {
            eps: 1e-5,
            elementwise_affine: true,
            bias: true,
        }
    }
}

/// Normalises the last dims; `torch.nn.LayerNorm`. Ba et al. 2016, arXiv:1607.06450.
///
/// # Shapes
/// Any that ends with `normalized_shape`, the same out; `weight` and `bias` have `normalized_shape`, and start at 1 and 0.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    path: String,
    normalized_shape: Vec<usize>,
    eps: f64,
    weight: Option<Parameter>,
    bias: Option<Parameter>,
}

impl LayerNorm {
    /// A layer over these last dims.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        normalized_shape: &[usize],
        config: &LayerNormConfig,
    ) -> Result<Self> {
        let affine = config.elementwise_affine;
        let make = |there: bool, name, init| {
            let parameter = || scope.parameter(name, normalized_shape, init);
            there.then(parameter).transpose()
        };
        Ok(Self {
            path: scope.path().to_owned(),
            normalized_shape: normalized_shape.to_vec(),
            eps: config.eps,
            weight: make(affine, "weight", Init::Ones)?,
            bias: make(affine && config.bias, "bias", Init::Zeros)?,
        })
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let (weight, bias) = (
            self.weight.as_ref().map(Parameter::var),
            self.bias.as_ref().map(Parameter::var),
        );
        x.layer_norm(
            &self.normalized_shape,
            weight.as_ref(),
            bias.as_ref(),
            self.eps,
        )
        .at(|| self.path.as_str())
    }
}

/// Divides the last dims by their root mean square; `torch.nn.RMSNorm`. Zhang and Sennrich 2019, arXiv:1910.07467.
///
/// # Shapes
/// Any that ends with `normalized_shape`, the same out; `weight` has `normalized_shape`, and starts at 1.
#[derive(Clone, Debug)]
pub struct RMSNorm {
    path: String,
    normalized_shape: Vec<usize>,
    eps: Option<f64>,
    weight: Option<Parameter>,
}

impl RMSNorm {
    /// A layer over these last dims, with a weight. Without `eps` the distance from 1 to the next number of the dtype is added.
    ///
    /// # Errors
    /// Those of making the parameter.
    pub fn new(scope: &Scope, normalized_shape: &[usize], eps: Option<f64>) -> Result<Self> {
        let mut layer = Self::without_weight(scope, normalized_shape, eps);
        layer.weight = Some(scope.parameter("weight", normalized_shape, Init::Ones)?);
        Ok(layer)
    }

    /// A layer without parameters; `elementwise_affine=False`.
    pub fn without_weight(scope: &Scope, normalized_shape: &[usize], eps: Option<f64>) -> Self {
        Self {
            path: scope.path().to_owned(),
            normalized_shape: normalized_shape.to_vec(),
            eps,
            weight: None,
        }
    }
}

impl Module for RMSNorm {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let weight = self.weight.as_ref().map(Parameter::var);
        x.rms_norm(&self.normalized_shape, weight.as_ref(), self.eps)
            .at(|| self.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn keys_shapes_and_gradients() {
        let dims: &[usize] = &[3, 4];
        check(
            &[("weight", dims), ("bias", dims)],
            &[2, 3, 4],
            &[2, 3, 4],
            |scope| LayerNorm::new(scope, dims, &LayerNormConfig::default()),
        );
        let config = LayerNormConfig {
            bias: false,
            ..LayerNormConfig::default()
        };
        check(&[("weight", &[4])], &[2, 4], &[2, 4], |scope| {
            LayerNorm::new(scope, &[4], &config)
        });
        let config = LayerNormConfig {
            elementwise_affine: false,
            ..config
        };
        check(&[], &[2, 4], &[2, 4], |scope| {
            LayerNorm::new(scope, &[4], &config)
        });
        check(&[("weight", &[4])], &[2, 4], &[2, 4], |scope| {
            RMSNorm::new(scope, &[4], None)
        });
        check(&[], &[2, 4], &[2, 4], |scope| {
            Ok(RMSNorm::without_weight(scope, &[4], Some(1e-6)))
        });
    }
}
