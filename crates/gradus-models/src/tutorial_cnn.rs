//! The tutorial's convolutional network: the LeNet of PyTorch's CIFAR-10 tutorial.

use gradus_nn::{
    Conv2d, Conv2dLayerConfig, Ctx, Dropout, Linear, MaxPool2d, Module, Result, Scope, Var,
};

use crate::resnet::max_pool;

/// The options of [`TutorialCnn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TutorialCnnConfig {
    /// Channels of the images. Default: 3.
    pub channels: usize,
    /// Classes. Default: 10.
    pub classes: usize,
    /// Dropout before the last two linear layers. Default: 0.
    pub dropout: f64,
}

impl Default for TutorialCnnConfig {
    fn default() -> Self {
        Self {
            channels: 3,
            classes: 10,
            dropout: 0.0,
        }
    }
}

/// conv 3→6 k5, ReLU, pool 2, conv 6→16 k5, ReLU, pool 2, linear 400→120→84→classes with ReLU between.
///
/// `(N, channels, 32, 32) -> (N, classes)`. Keys: `conv1 conv2 fc1 fc2 fc3`, each with `weight` and `bias`.
#[derive(Clone, Debug)]
pub struct TutorialCnn {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    dropout: [Dropout; 2],
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl TutorialCnn {
    /// A new network at `scope`.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, config: &TutorialCnnConfig) -> Result<Self> {
        let plain = Conv2dLayerConfig::default();
        Ok(Self {
            conv1: Conv2d::new(&scope.at("conv1"), config.channels, 6, [5, 5], &plain)?,
            conv2: Conv2d::new(&scope.at("conv2"), 6, 16, [5, 5], &plain)?,
            pool: max_pool(2, 2, 0),
            dropout: ["dropout1", "dropout2"]
                .map(|name| Dropout::new(&scope.at(name), config.dropout)),
            fc1: Linear::new(&scope.at("fc1"), 16 * 5 * 5, 120)?,
            fc2: Linear::new(&scope.at("fc2"), 120, 84)?,
            fc3: Linear::new(&scope.at("fc3"), 84, config.classes)?,
        })
    }
}

impl Module for TutorialCnn {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let x = self.conv1.forward(x, ctx)?.relu()?; // (N, 6, 28, 28)
        let x = self.pool.forward(&x, ctx)?; // (N, 6, 14, 14)
        let x = self.conv2.forward(&x, ctx)?.relu()?; // (N, 16, 10, 10)
        let x = self.pool.forward(&x, ctx)?.flatten(1, -1)?; // (N, 400)
        let x = self.fc1.forward(&x, ctx)?.relu()?;
        let x = self.dropout[0].forward(&x, ctx)?;
        let x = self.fc2.forward(&x, ctx)?.relu()?;
        let x = self.dropout[1].forward(&x, ctx)?;
        self.fc3.forward(&x, ctx)
    }
}
