//! Transposed convolution layers over one, two or three sides.

use gradus_autograd::ops::ConvTransposeConfig;
use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`ConvTranspose`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct ConvTransposeLayerConfig<const D: usize> {
    /// Stride, padding, output padding, dilation and groups.
    pub conv: ConvTransposeConfig<D>,
    /// Whether there is a bias. Default: yes.
    pub bias: bool,
    /// How the weight starts. Default: uniform in `±1 / sqrt(C_out / groups · kernel)`, as PyTorch's fan of a weight of this layout.
    pub init: Option<Init>,
}

impl<const D: usize> Default for ConvTransposeLayerConfig<D> {
    fn default() -> Self {
        Self {
            conv: ConvTransposeConfig::default(),
            bias: true,
            init: None,
        }
    }
}

/// Each element of the input adds a kernel of `D` sides to the output; the gradient of [`crate::Conv`].
///
/// # Shapes
/// `(N, C_in, sides…) -> (N, C_out, sides'…)`, or without `N`; `weight` is `(C_in, C_out / groups, kernel…)`, `bias` `(C_out,)`.
#[derive(Clone, Debug)]
pub struct ConvTranspose<const D: usize> {
    path: String,
    weight: Parameter,
    bias: Option<Parameter>,
    config: ConvTransposeConfig<D>,
}

/// Transposed convolution of sequences; `torch.nn.ConvTranspose1d`.
pub type ConvTranspose1d = ConvTranspose<1>;
/// Transposed convolution of images; `torch.nn.ConvTranspose2d`.
pub type ConvTranspose2d = ConvTranspose<2>;
/// Transposed convolution of volumes; `torch.nn.ConvTranspose3d`.
pub type ConvTranspose3d = ConvTranspose<3>;

impl<const D: usize> ConvTranspose<D> {
    /// A layer with a kernel of these sides.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        in_channels: usize,
        out_channels: usize,
        kernel: [usize; D],
        config: &ConvTransposeLayerConfig<D>,
    ) -> Result<Self> {
        let out_group = out_channels / config.conv.groups.max(1);
        let fan_in = kernel
            .iter()
            .fold(out_group, |fan, &side| fan.saturating_mul(side));
        let init = config.init.unwrap_or(Init::Fan { fan_in });
        let dims = [&[in_channels, out_group], &kernel[..]].concat();
        let weight = scope.parameter("weight", &dims[..], init)?;
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

    /// The weight, `(C_in, C_out / groups, kernel…)`.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The bias, `(C_out,)`.
    pub fn bias(&self) -> Option<&Parameter> {
        self.bias.as_ref()
    }
}

impl<const D: usize> Module for ConvTranspose<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let bias = self.bias.as_ref().map(Parameter::var);
        x.conv_transpose_nd(&self.weight.var(), bias.as_ref(), &self.config)
            .at(|| self.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn keys_shapes_and_gradients() {
        check(
            &[("weight", &[2, 4, 3]), ("bias", &[4])],
            &[2, 2, 5],
            &[2, 4, 7],
            |scope| ConvTranspose1d::new(scope, 2, 4, [3], &ConvTransposeLayerConfig::default()),
        );
        let config = ConvTransposeLayerConfig {
            conv: ConvTransposeConfig {
                stride: [2, 2],
                padding: [1, 1],
                output_padding: [1, 1],
                groups: 2,
                ..ConvTransposeConfig::default()
            },
            bias: false,
            init: None,
        };
        check(
            &[("weight", &[2, 2, 3, 3])],
            &[1, 2, 4, 5],
            &[1, 4, 8, 10],
            |scope| ConvTranspose2d::new(scope, 2, 4, [3, 3], &config),
        );
        check(
            &[("weight", &[2, 3, 2, 1, 2]), ("bias", &[3])],
            &[2, 2, 3, 3],
            &[3, 3, 3, 4],
            |scope| {
                ConvTranspose3d::new(scope, 2, 3, [2, 1, 2], &ConvTransposeLayerConfig::default())
            },
        );
    }
}
