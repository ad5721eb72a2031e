//! Batch normalisation.

use gradus_autograd::ops::BatchNormOutput;
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

impl BatchNorm {
    /// Moves the running statistics towards those of a batch with `count` values a channel.
    fn track(&self, batch: BatchNormOutput, count: usize) -> Result<Var> {
        if is_recomputing() {
            return Ok(batch.output);
        }
        let unbiased = count as f64 / (count as f64 - 1.0);
        let momentum = self.config.momentum;
        let moves = [
            (&self.running_mean, batch.mean, momentum),
            (&self.running_var, batch.var, momentum * unbiased),
        ];
        for (running, new, share) in moves {
            let old = Var::constant(running.tensor()).mul_scalar(1.0 - momentum)?;
            running.set(
                old.add(&Var::constant(new).mul_scalar(share)?)?
                    .into_tensor(),
            )?;
        }
        let seen = self.num_batches_tracked.tensor().item::<i64>()?;
        self.num_batches_tracked.set(Tensor::scalar(seen + 1)?)?;
        Ok(batch.output)
    }
}

impl Module for BatchNorm {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let (weight, bias) = (self.weight.var(), self.bias.var());
        let eps = self.config.eps;
        let path = || self.path.as_str();
        if !ctx.is_training() {
            let (mean, var) = (self.running_mean.tensor(), self.running_var.tensor());
            return x
                .batch_norm_eval(&mean, &var, Some(&weight), Some(&bias), eps)
                .at(path);
        }
        let batch = x.batch_norm(Some(&weight), Some(&bias), eps).at(path)?;
        let count = x.numel() / batch.mean.numel().max(1);
        self.track(batch, count).at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamStore;

    #[test]
    fn museum_53_normalises_with_biased_and_stores_unbiased_variance() {
        let store = ParamStore::seeded(0);
        let norm = BatchNorm::new(&store.root(), 1, &BatchNormConfig::default()).unwrap();
        let x = Var::constant(Tensor::from_slice(&[1.0_f32, 3.0, 5.0, 7.0], [4, 1]).unwrap());
        let y = norm.forward(&x, &Ctx::train(0, 0)).unwrap();
        // mean 4, biased variance 5, unbiased 20/3
        let first = y.tensor().to_vec::<f32>().unwrap()[0];
        assert!((first - -3.0 / (5.0_f32 + 1e-5).sqrt()).abs() < 1e-6);
        let buffer = |i: usize| store.buffers()[i].tensor();
        assert!((buffer(0).item_of() - 0.4).abs() < 1e-6);
        assert!((buffer(1).item_of() - (0.9 + 0.1 * 20.0 / 3.0)).abs() < 1e-6);
        assert_eq!(buffer(2).item::<i64>().unwrap(), 1);
        // Evaluation uses the running statistics and changes nothing.
        let y = norm
            .forward(&x, &Ctx::eval())
            .unwrap()
            .tensor()
            .to_vec::<f32>()
            .unwrap()[0];
        let (mean, var) = (buffer(0).item_of(), buffer(1).item_of());
        assert!((y - (1.0 - mean) / (var + 1e-5).sqrt()).abs() < 1e-6);
        assert_eq!(buffer(2).item::<i64>().unwrap(), 1);
    }

    #[test]
    fn one_value_a_channel_is_refused_in_training_with_the_path() {
        let store = ParamStore::seeded(0);
        let norm = BatchNorm::new(
            &store.root().at("layer1").at("bn1"),
            2,
            &BatchNormConfig::default(),
        )
        .unwrap();
        let x = Var::constant(Tensor::zeros([1, 2, 1, 1], DType::F32).unwrap());
        let error = norm.forward(&x, &Ctx::train(0, 0)).unwrap_err().to_string();
        assert!(error.starts_with("layer1.bn1: batch_norm: "), "{error}");
    }

    trait First {
        fn item_of(&self) -> f32;
    }

    impl First for Tensor {
        fn item_of(&self) -> f32 {
            self.to_vec::<f32>().unwrap()[0]
        }
    }
}
