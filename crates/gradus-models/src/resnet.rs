//! Residual networks: He et al. 2016, arXiv:1512.03385, with torchvision's names and layout.

use gradus_autograd::ops::{Conv2dConfig, MaxPool2dConfig};
use gradus_nn::{
    AdaptiveAvgPool2d, BatchNorm, BatchNormConfig, Conv2d, Conv2dLayerConfig, Ctx, Fan, Gain, Init,
    Linear, MaxPool2d, Module, Result, Scope, Var,
};

/// How a network begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// torchvision's: 7×7 convolution of stride 2, then 3×3 max pooling of stride 2.
    ImageNet,
    /// For images around 32×32: 3×3 convolution of stride 1, no pooling. Same key names.
    Small,
}

/// The options of [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// How many blocks each of the four stages has.
    pub blocks: [usize; 4],
    /// Bottleneck blocks (1×1, 3×3, 1×1 with four times the width) instead of basic ones (3×3, 3×3).
    pub bottleneck: bool,
    /// Channels of the images.
    pub channels: usize,
    /// Classes.
    pub classes: usize,
    /// How the network begins.
    pub stem: Stem,
}

impl ResNetConfig {
    /// ResNet-18 for ImageNet.
    pub fn resnet18() -> Self {
        Self {
            blocks: [2, 2, 2, 2],
            bottleneck: false,
            channels: 3,
            classes: 1000,
            stem: Stem::ImageNet,
        }
    }

    /// ResNet-34 for ImageNet.
    pub fn resnet34() -> Self {
        Self {
            blocks: [3, 4, 6, 3],
            ..Self::resnet18()
        }
    }

    /// ResNet-50 for ImageNet.
    pub fn resnet50() -> Self {
        Self {
            blocks: [3, 4, 6, 3],
            bottleneck: true,
            ..Self::resnet18()
        }
    }
}

/// A residual network: `(N, channels, H, W) -> (N, classes)`.
///
/// Keys are torchvision's: `conv1 bn1 layer1.0.conv1 layer1.0.bn1 … layer2.0.downsample.0 … fc`. Convolutions start by
/// Kaiming's normal scheme over the fan out, as there.
#[derive(Clone, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    pool: Option<MaxPool2d>,
    blocks: Vec<Block>,
    average: AdaptiveAvgPool2d,
    fc: Linear,
}

impl ResNet {
    /// A new network at `scope`.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, config: &ResNetConfig) -> Result<Self> {
        let (kernel, stride, padding) = if config.stem == Stem::ImageNet {
            (7, 2, 3)
        } else {
            (3, 1, 1)
        };
        let conv1 = conv(
            &scope.at("conv1"),
            config.channels,
            64,
            kernel,
            stride,
            padding,
        )?;
        let bn1 = norm(&scope.at("bn1"), 64)?;
        let mut blocks = Vec::new();
        let mut inputs = 64;
        for (stage, &count) in config.blocks.iter().enumerate() {
            let width = 64 << stage;
            for i in 0..count {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                let at = scope.at(format_args!("layer{}", stage + 1)).at(i);
                let block = Block::new(&at, inputs, width, stride, config.bottleneck)?;
                inputs = block.outputs;
                blocks.push(block);
            }
        }
        Ok(Self {
            conv1,
            bn1,
            pool: (config.stem == Stem::ImageNet).then(|| max_pool(3, 2, 1)),
            blocks,
            average: AdaptiveAvgPool2d::new([1, 1]),
            fc: Linear::new(&scope.at("fc"), inputs, config.classes)?,
        })
    }
}

impl Module for ResNet {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let mut x = self
            .bn1
            .forward(&self.conv1.forward(x, ctx)?, ctx)?
            .relu()?;
        if let Some(pool) = &self.pool {
            x = pool.forward(&x, ctx)?;
        }
        for block in &self.blocks {
            x = block.forward(&x, ctx)?;
        }
        let x = self.average.forward(&x, ctx)?.flatten(1, -1)?; // (N, features)
        self.fc.forward(&x, ctx)
    }
}

/// A residual block: convolutions with batch norm, and a shortcut around them.
#[derive(Clone, Debug)]
struct Block {
    convs: Vec<(Conv2d, BatchNorm)>,
    downsample: Option<(Conv2d, BatchNorm)>,
    outputs: usize,
}

impl Block {
    fn new(
        scope: &Scope,
        inputs: usize,
        width: usize,
        stride: usize,
        bottleneck: bool,
    ) -> Result<Self> {
        let outputs = if bottleneck { 4 * width } else { width };
        // (kernel, stride, outputs) of each convolution; torchvision puts a bottleneck's stride on its 3×3 one.
        let plan: &[(usize, usize, usize)] = if bottleneck {
            &[(1, 1, width), (3, stride, width), (1, 1, outputs)]
        } else {
            &[(3, stride, width), (3, 1, width)]
        };
        let mut convs = Vec::with_capacity(plan.len());
        let mut channels = inputs;
        for (i, &(kernel, stride, outputs)) in plan.iter().enumerate() {
            let at = |kind: &str| scope.at(format_args!("{kind}{}", i + 1));
            let conv = conv(&at("conv"), channels, outputs, kernel, stride, kernel / 2)?;
            convs.push((conv, norm(&at("bn"), outputs)?));
            channels = outputs;
        }
        let downsample = if stride != 1 || inputs != outputs {
            let at = scope.at("downsample");
            Some((
                conv(&at.at(0), inputs, outputs, 1, stride, 0)?,
                norm(&at.at(1), outputs)?,
            ))
        } else {
            None
        };
        Ok(Self {
            convs,
            downsample,
            outputs,
        })
    }

    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let mut y = x.clone();
        for (i, (conv, norm)) in self.convs.iter().enumerate() {
            y = norm.forward(&conv.forward(&y, ctx)?, ctx)?;
            if i + 1 < self.convs.len() {
                y = y.relu()?;
            }
        }
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(&conv.forward(x, ctx)?, ctx)?,
            None => x.clone(),
        };
        y.add(&shortcut)?.relu()
    }
}

fn conv(
    scope: &Scope,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Conv2d> {
    let config = Conv2dLayerConfig {
        conv: Conv2dConfig {
            stride: [stride; 2],
            padding: [padding; 2].into(),
            ..Conv2dConfig::default()
        },
        bias: false,
        init: Some(Init::KaimingNormal {
            fan: Fan::Out,
            gain: Gain::Relu,
        }),
        ..Conv2dLayerConfig::default()
    };
    Conv2d::new(scope, inputs, outputs, [kernel; 2], &config)
}

fn norm(scope: &Scope, channels: usize) -> Result<BatchNorm> {
    BatchNorm::new(scope, channels, &BatchNormConfig::default())
}

pub(crate) fn max_pool(kernel: usize, stride: usize, padding: usize) -> MaxPool2d {
    let config = MaxPool2dConfig {
        stride: Some([stride; 2]),
        padding: [padding; 2],
        ..MaxPool2dConfig::default()
    };
    MaxPool2d::new([kernel; 2], config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_nn::ParamStore;

    fn count(config: ResNetConfig) -> usize {
        let store = ParamStore::seeded(0);
        ResNet::new(&store.root(), &config).unwrap();
        store.parameter_count()
    }

    #[test]
    fn parameter_counts_are_torchvisions() {
        assert_eq!(count(ResNetConfig::resnet18()), 11_689_512);
        assert_eq!(count(ResNetConfig::resnet50()), 25_557_032);
    }

    #[test]
    fn keys_are_torchvisions() {
        let store = ParamStore::seeded(0);
        ResNet::new(&store.root(), &ResNetConfig::resnet18()).unwrap();
        let keys: Vec<String> = store.keys().into_iter().map(|(name, _)| name).collect();
        assert_eq!(keys.len(), 122);
        assert_eq!(
            keys[..6],
            [
                "conv1.weight",
                "bn1.weight",
                "bn1.bias",
                "bn1.running_mean",
                "bn1.running_var",
                "bn1.num_batches_tracked"
            ]
        );
        for key in [
            "layer1.0.conv1.weight",
            "layer2.0.downsample.0.weight",
            "layer4.1.bn2.running_var",
            "fc.bias",
        ] {
            assert!(keys.iter().any(|k| k == key), "{key}");
        }
    }
}
