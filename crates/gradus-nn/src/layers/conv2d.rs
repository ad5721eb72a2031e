//! The two-dimensional convolution layer.

use gradus_autograd::ops::Conv2dConfig;
use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`Conv2d`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dLayerConfig {
    /// Stride, padding, dilation and groups.
    pub conv: Conv2dConfig,
    /// Whether there is a bias. Default: yes.
    pub bias: bool,
    /// How the weight starts. Default: uniform in `±1 / sqrt(fan_in)`.
    pub init: Option<Init>,
}

impl Default for Conv2dLayerConfig {
    fn default() -> Self {
        Self {
            conv: Conv2dConfig::default(),
            bias: true,
            init: None,
        }
    }
}

/// Cross-correlation of images with a bank of kernels; `torch.nn.Conv2d`.
///
/// # Shapes
/// `(N, C_in, H, W) -> (N, C_out, H', W')`; `weight` is `(C_out, C_in / groups, kh, kw)`, `bias` `(C_out,)`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    path: String,
    weight: Parameter,
    bias: Option<Parameter>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// A layer with a kernel of `[kh, kw]`.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        in_channels: usize,
        out_channels: usize,
        kernel: [usize; 2],
        config: &Conv2dLayerConfig,
    ) -> Result<Self> {
        let in_group = in_channels / config.conv.groups.max(1);
        let fan_in = in_group * kernel[0] * kernel[1];
        let init = config.init.unwrap_or(Init::Fan { fan_in });
        let weight = scope.parameter(
            "weight",
            [out_channels, in_group, kernel[0], kernel[1]],
            init,
        )?;
        let bias = config
            .bias
            .then(|| scope.parameter("bias", [out_channels], Init::Fan { fan_in }))
            .transpose()?;
        Ok(Self {
            path: scope.path().to_owned(),
            weight,
            bias,
            config: config.conv,
        })
    }

    /// The weight, `(C_out, C_in / groups, kh, kw)`.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The bias, `(C_out,)`.
    pub fn bias(&self) -> Option<&Parameter> {
        self.bias.as_ref()
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let bias = self.bias.as_ref().map(Parameter::var);
        x.conv2d(&self.weight.var(), bias.as_ref(), &self.config)
            .at(|| self.path.as_str())
    }
}
