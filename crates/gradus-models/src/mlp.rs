//! The multi-layer perceptron.

use gradus_nn::{Ctx, Linear, Module, Result, Scope, Var};

/// The options of [`Mlp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpConfig {
    /// Features of an input; images are flattened. Default: 784.
    pub inputs: usize,
    /// Widths of the hidden layers. Default: 512, 512.
    pub hidden: Vec<usize>,
    /// Classes. Default: 10.
    pub classes: usize,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            inputs: 784,
            hidden: vec![512, 512],
            classes: 10,
        }
    }
}

/// Linear layers with ReLU between: `(N, …) -> (N, classes)`.
///
/// Keys are those of a `torch.nn.Sequential` of Linear and ReLU modules: `0.weight`, `0.bias`, `2.weight`, …
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// A new perceptron at `scope`.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, config: &MlpConfig) -> Result<Self> {
        let widths: Vec<usize> = [config.inputs]
            .iter()
            .chain(&config.hidden)
            .chain([&config.classes])
            .copied()
            .collect();
        let layer = |(i, pair): (usize, &[usize])| Linear::new(&scope.at(2 * i), pair[0], pair[1]);
        Ok(Self {
            layers: widths
                .windows(2)
                .enumerate()
                .map(layer)
                .collect::<Result<_>>()?,
        })
    }
}

impl Module for Mlp {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let mut x = x.flatten(1, -1)?; // (N, features)
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, ctx)?;
            if i + 1 < self.layers.len() {
                x = x.relu()?;
            }
        }
        Ok(x)
    }
}
