//! Convolution layers over one, two or three sides.

use gradus_autograd::ops::{ConvConfig, ConvPadding, PadMode};
use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`Conv`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct ConvLayerConfig<const D: usize> {
    /// Stride, padding, dilation and groups.
    pub conv: ConvConfig<D>,
    /// What the padding is made of. Default: zeros.
    pub padding_mode: PadMode,
    /// Whether there is a bias. Default: yes.
    pub bias: bool,
    /// How the weight starts. Default: uniform in `±1 / sqrt(fan_in)`.
    pub init: Option<Init>,
}

impl<const D: usize> Default for ConvLayerConfig<D> {
    fn default() -> Self {
        Self {
            conv: ConvConfig::default(),
            padding_mode: PadMode::Constant(0.0),
            bias: true,
            init: None,
        }
    }
}

/// The options of [`Conv1d`].
pub type Conv1dLayerConfig = ConvLayerConfig<1>;
/// The options of [`Conv2d`].
pub type Conv2dLayerConfig = ConvLayerConfig<2>;
/// The options of [`Conv3d`].
pub type Conv3dLayerConfig = ConvLayerConfig<3>;

/// Cross-correlation with a bank of kernels of `D` sides.
///
/// # Shapes
/// `(N, C_in, sides…) -> (N, C_out, sides'…)`, or without `N`; `weight` is `(C_out, C_in / groups, kernel…)`, `bias` `(C_out,)`.
#[derive(Clone, Debug)]
pub struct Conv<const D: usize> {
    path: String,
    weight: Parameter,
    bias: Option<Parameter>,
    config: ConvConfig<D>,
    /// Dims of the padding from the last side on, where it is not of zeros.
    pads: Option<(Vec<isize>, PadMode)>,
}

/// Convolution of sequences; `torch.nn.Conv1d`.
pub type Conv1d = Conv<1>;
/// Convolution of images; `torch.nn.Conv2d`.
pub type Conv2d = Conv<2>;
/// Convolution of volumes; `torch.nn.Conv3d`.
pub type Conv3d = Conv<3>;

impl<const D: usize> Conv<D> {
    /// A layer with a kernel of these sides.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        in_channels: usize,
        out_channels: usize,
        kernel: [usize; D],
        config: &ConvLayerConfig<D>,
    ) -> Result<Self> {
        let in_group = in_channels / config.conv.groups.max(1);
        let fan_in = kernel
            .iter()
            .fold(in_group, |fan, &side| fan.saturating_mul(side));
        let init = config.init.unwrap_or(Init::Fan { fan_in });
        let dims = [&[out_channels, in_group], &kernel[..]].concat();
        let weight = scope.parameter("weight", &dims[..], init)?;
        let bias = config
            .bias
            .then(|| scope.parameter("bias", [out_channels], Init::Fan { fan_in }))
            .transpose()?;
        let mut own = config.conv;
        let zeros = config.padding_mode == PadMode::Constant(0.0);
        let pads = (!zeros).then(|| (pads(&own, kernel), config.padding_mode));
        if pads.is_some() {
            own.padding = ConvPadding::Sides([0; D]);
        }
        Ok(Self {
            path: scope.path().to_owned(),
            weight,
            bias,
            config: own,
            pads,
        })
    }

    /// The weight, `(C_out, C_in / groups, kernel…)`.
    pub fn weight(&self) -> &Parameter {
        &self.weight
    }

    /// The bias, `(C_out,)`.
    pub fn bias(&self) -> Option<&Parameter> {
        self.bias.as_ref()
    }
}

/// Elements before and after each side, the last side first.
fn pads<const D: usize>(config: &ConvConfig<D>, kernel: [usize; D]) -> Vec<isize> {
    let side = |d: usize| match config.padding {
        ConvPadding::Sides(sides) => [sides[d], sides[d]],
        ConvPadding::Same => {
            let all = kernel[d]
                .saturating_sub(1)
                .saturating_mul(config.dilation[d]);
            [all / 2, all - all / 2]
        }
    };
    let size = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    (0..D).rev().flat_map(side).map(size).collect()
}

impl<const D: usize> Module for Conv<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let path = || self.path.as_str();
        let bias = self.bias.as_ref().map(Parameter::var);
        let padded;
        let x = match &self.pads {
            Some((pads, mode)) => {
                padded = x.pad(pads, *mode).at(path)?;
                &padded
            }
            None => x,
        };
        x.conv_nd(&self.weight.var(), bias.as_ref(), &self.config)
            .at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{check, sampled};

    #[test]
    fn keys_shapes_and_gradients() {
        check(
            &[("weight", &[4, 2, 3]), ("bias", &[4])],
            &[2, 2, 5],
            &[2, 4, 3],
            |scope| Conv1d::new(scope, 2, 4, [3], &ConvLayerConfig::default()),
        );
        let config = ConvLayerConfig {
            conv: ConvConfig {
                groups: 2,
                padding: ConvPadding::Same,
                ..ConvConfig::default()
            },
            bias: false,
            ..ConvLayerConfig::default()
        };
        check(
            &[("weight", &[4, 1, 2, 3])],
            &[2, 5, 4],
            &[4, 5, 4],
            |scope| Conv2d::new(scope, 2, 4, [2, 3], &config),
        );
        check(
            &[("weight", &[3, 2, 2, 1, 2]), ("bias", &[3])],
            &[1, 2, 3, 3, 3],
            &[1, 3, 2, 3, 2],
            |scope| Conv3d::new(scope, 2, 3, [2, 1, 2], &ConvLayerConfig::default()),
        );
    }

    #[test]
    fn museum_37_the_fan_of_a_sequence_is_channels_times_kernel() {
        let store = crate::ParamStore::seeded(1);
        Conv1d::new(&store.root(), 16, 64, [4], &ConvLayerConfig::default()).unwrap();
        let weight = store.state_dict()[0].1.to_vec::<f32>().unwrap();
        let most = weight.iter().fold(0.0_f32, |m, w| w.abs().max(m));
        assert!(most <= 0.125 && most > 0.12, "{most}");
    }

    #[test]
    fn padding_of_other_things_than_zeros() {
        let x = sampled(&[1, 1, 4]);
        for (mode, ends) in [
            (PadMode::Reflect, [1, 2]),
            (PadMode::Replicate, [0, 3]),
            (PadMode::Circular, [3, 0]),
        ] {
            let config = ConvLayerConfig {
                conv: ConvConfig {
                    padding: [1].into(),
                    ..ConvConfig::default()
                },
                padding_mode: mode,
                bias: false,
                init: Some(Init::Ones),
            };
            let store = crate::ParamStore::with_dtype(0, gradus_autograd::DType::F64);
            let layer = Conv1d::new(&store.root(), 1, 1, [3], &config).unwrap();
            let y = layer.forward(&x, &Ctx::eval()).unwrap();
            let (x, y) = (
                x.tensor().to_vec::<f64>().unwrap(),
                y.tensor().to_vec::<f64>().unwrap(),
            );
            let want = [x[ends[0]] + x[0] + x[1], x[2] + x[3] + x[ends[1]]];
            assert!((y[0] - want[0]).abs() < 1e-14 && (y[3] - want[1]).abs() < 1e-14);
        }
    }
}
