//! The networks for images.

use candle_core::{D, Result, Tensor};
use candle_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Linear, Module, ModuleT, VarBuilder, batch_norm, conv2d,
    conv2d_no_bias, linear,
};

/// 784 → 512 → 512 → 10.
pub struct Mlp([Linear; 3]);

impl Mlp {
    pub fn new(vars: VarBuilder) -> Result<Self> {
        Ok(Self([
            linear(784, 512, vars.pp("fc1"))?,
            linear(512, 512, vars.pp("fc2"))?,
            linear(512, 10, vars.pp("fc3"))?,
        ]))
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.0[0].forward(x)?.relu()?;
        self.0[2].forward(&self.0[1].forward(&x)?.relu()?)
    }
}

/// The network of PyTorch's CIFAR tutorial.
pub struct LeNet {
    convs: [Conv2d; 2],
    linears: [Linear; 3],
}

impl LeNet {
    pub fn new(vars: VarBuilder) -> Result<Self> {
        let plain = Conv2dConfig::default();
        Ok(Self {
            convs: [
                conv2d(3, 6, 5, plain, vars.pp("conv1"))?,
                conv2d(6, 16, 5, plain, vars.pp("conv2"))?,
            ],
            linears: [
                linear(400, 120, vars.pp("fc1"))?,
                linear(120, 84, vars.pp("fc2"))?,
                linear(84, 10, vars.pp("fc3"))?,
            ],
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.convs[0].forward(x)?.relu()?.max_pool2d(2)?;
        let x = self.convs[1].forward(&x)?.relu()?.max_pool2d(2)?;
        let x = self.linears[0].forward(&x.flatten_from(1)?)?.relu()?;
        self.linears[2].forward(&self.linears[1].forward(&x)?.relu()?)
    }
}

/// A convolution without bias and its batch norm.
struct ConvNorm(Conv2d, BatchNorm);

impl ConvNorm {
    fn new(from: usize, to: usize, kernel: usize, stride: usize, vars: VarBuilder) -> Result<Self> {
        let config = Conv2dConfig {
            stride,
            padding: kernel / 2,
            ..Default::default()
        };
        Ok(Self(
            conv2d_no_bias(from, to, kernel, config, vars.pp("conv"))?,
            batch_norm(to, 1e-5, vars.pp("bn"))?,
        ))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.1.forward_t(&self.0.forward(x)?, true)
    }
}

struct BasicBlock {
    first: ConvNorm,
    second: ConvNorm,
    short: Option<ConvNorm>,
}

/// ResNet-18 with the 3 × 3 stem for small images, in training mode.
pub struct ResNet18 {
    stem: ConvNorm,
    blocks: Vec<BasicBlock>,
    fc: Linear,
}

impl ResNet18 {
    pub fn new(vars: VarBuilder) -> Result<Self> {
        let mut blocks = Vec::new();
        let mut from = 64;
        for (stage, to) in [64, 128, 256, 512].into_iter().enumerate() {
            for index in 0..2 {
                let stride = if index == 0 && stage > 0 { 2 } else { 1 };
                let vars = vars.pp(format!("layer{stage}.{index}"));
                let short = (stride != 1 || from != to)
                    .then(|| ConvNorm::new(from, to, 1, stride, vars.pp("short")));
                blocks.push(BasicBlock {
                    first: ConvNorm::new(from, to, 3, stride, vars.pp("first"))?,
                    second: ConvNorm::new(to, to, 3, 1, vars.pp("second"))?,
                    short: short.transpose()?,
                });
                from = to;
            }
        }
        Ok(Self {
            stem: ConvNorm::new(3, 64, 3, 1, vars.pp("stem"))?,
            blocks,
            fc: linear(512, 10, vars.pp("fc"))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.stem.forward(x)?.relu()?;
        for block in &self.blocks {
            let y = block.second.forward(&block.first.forward(&x)?.relu()?)?;
            let short = match &block.short {
                Some(short) => short.forward(&x)?,
                None => x,
            };
            x = (y + short)?.relu()?;
        }
        self.fc.forward(&x.mean(D::Minus1)?.mean(D::Minus1)?)
    }
}
