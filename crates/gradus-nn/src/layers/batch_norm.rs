//! Batch normalisation.

use gradus_autograd::ops::BatchNormOptions;
use gradus_autograd::{Buffer, DType, Parameter, Result, ResultExt, Tensor, Var, is_recomputing};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`BatchNorm`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance. Default: 1e-5.
    pub eps: f64,
    /// The share of the new batch in the running statistics. Default: 0.1.
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self {
            eps: 1e-5,
            momentum: 0.1,
        }
    }
}

/// Normalises each channel over the batch and its positions; `torch.nn.BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`.
///
/// # Shapes
/// `(N, C, …)`, the same out; `weight`, `bias`, `running_mean` and `running_var` are `(C,)`.
///
/// In training the statistics are those of the batch (variance over `m`), and the running ones move towards them by
/// `momentum` (variance over `m - 1`); in evaluation the running ones are used. Ioffe and Szegedy 2015, arXiv:1502.03167.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    path: String,
    config: BatchNormConfig,
    weight: Parameter,
    bias: Parameter,
    running_mean: Buffer,
    running_var: Buffer,
    num_batches_tracked: Buffer,
}

impl BatchNorm {
    /// A layer for `channels` channels: weight 1, bias 0, running mean 0, running variance 1.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, channels: usize, config: &BatchNormConfig) -> Result<Self> {
        Ok(Self {
            path: scope.path().to_owned(),
            config: *config,
            weight: scope.parameter("weight", [channels], Init::Ones)?,
            bias: scope.parameter("bias", [channels], Init::Zeros)?,
            running_mean: scope
                .buffer("running_mean", Tensor::zeros([channels], scope.dtype())?)?,
            running_var: scope.buffer("running_var", Tensor::ones([channels], scope.dtype())?)?,
            num_batches_tracked: scope
                .buffer("num_batches_tracked", Tensor::zeros((), DType::I64)?)?,
        })
    }
}
