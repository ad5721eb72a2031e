//! Pooling of images as modules.

use gradus_autograd::ops::{AvgPool2dConfig, MaxPool2dConfig};
use gradus_autograd::{Result, Var};

use crate::{Ctx, Module};

/// The maximum of each window: `(N, C, H, W) -> (N, C, H', W')`; `torch.nn.MaxPool2d`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    kernel_size: [usize; 2],
    config: MaxPool2dConfig,
}

impl MaxPool2d {
    /// Pooling over windows of `kernel_size`.
    pub fn new(kernel_size: [usize; 2], config: MaxPool2dConfig) -> Self {
        Self {
            kernel_size,
            config,
        }
    }
}

impl Module for MaxPool2d {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.max_pool2d(self.kernel_size, &self.config)
    }
}

/// The mean of each window: `(N, C, H, W) -> (N, C, H', W')`; `torch.nn.AvgPool2d`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    kernel_size: [usize; 2],
    config: AvgPool2dConfig,
}

impl AvgPool2d {
    /// Pooling over windows of `kernel_size`.
    pub fn new(kernel_size: [usize; 2], config: AvgPool2dConfig) -> Self {
        Self {
            kernel_size,
            config,
        }
    }
}

impl Module for AvgPool2d {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.avg_pool2d(self.kernel_size, &self.config)
    }
}

/// The mean of windows that divide the image evenly: `(N, C, H, W) -> (N, C, h, w)`; `torch.nn.AdaptiveAvgPool2d`.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool2d {
    output: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// Pooling to images of `[h, w]`.
    pub fn new(output: [usize; 2]) -> Self {
        Self { output }
    }
}

impl Module for AdaptiveAvgPool2d {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.adaptive_avg_pool2d(self.output)
    }
}
