//! Batch normalisation.

use gradus_autograd::ops::BatchNormOutput;
use gradus_autograd::{Buffer, DType, Parameter, Result, ResultExt, Tensor, Var, is_recomputing};

use super::group_norm::{affine, vars};
use crate::{Ctx, Module, Scope};

/// The options of [`BatchNorm`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance. Default: 1e-5.
    pub eps: f64,
    /// The share of the new batch in the running statistics; `None`: of all batches alike. Default: 0.1.
    pub momentum: Option<f64>,
    /// Whether there are weight and bias. Default: yes.
    pub affine: bool,
    /// Whether running statistics are kept, and used in evaluation. Default: yes.
    pub track_running_stats: bool,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self {
            eps: 1e-5,
            momentum: Some(0.1),
            affine: true,
            track_running_stats: true,
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
    affine: Option<[Parameter; 2]>,
    running: Option<Running>,
}

/// `torch.nn.BatchNorm1d`.
pub type BatchNorm1d = BatchNorm;
/// `torch.nn.BatchNorm2d`.
pub type BatchNorm2d = BatchNorm;
/// `torch.nn.BatchNorm3d`.
pub type BatchNorm3d = BatchNorm;

/// The statistics that evaluation uses.
#[derive(Clone, Debug)]
struct Running {
    mean: Buffer,
    var: Buffer,
    batches: Buffer,
}

impl BatchNorm {
    /// A layer for `channels` channels: weight 1, bias 0, running mean 0, running variance 1.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, channels: usize, config: &BatchNormConfig) -> Result<Self> {
        let affine = config.affine.then(|| affine(scope, channels)).transpose()?;
        let running = || -> Result<Running> {
            let (zeros, ones) = (
                Tensor::zeros([channels], scope.dtype())?,
                Tensor::ones([channels], scope.dtype())?,
            );
            Ok(Running {
                mean: scope.buffer("running_mean", zeros)?,
                var: scope.buffer("running_var", ones)?,
                batches: scope.buffer("num_batches_tracked", Tensor::zeros((), DType::I64)?)?,
            })
        };
        Ok(Self {
            path: scope.path().to_owned(),
            config: *config,
            affine,
            running: config.track_running_stats.then(running).transpose()?,
        })
    }
}

impl Running {
    /// Moves the running statistics towards those of a batch with `count` values a channel.
    fn track(&self, batch: &BatchNormOutput, count: usize, momentum: Option<f64>) -> Result<()> {
        if is_recomputing() {
            return Ok(());
        }
        let seen = self.batches.tensor().item::<i64>()?.saturating_add(1);
        let momentum = momentum.unwrap_or(1.0 / seen as f64);
        let unbiased = count as f64 / (count as f64 - 1.0);
        let moves = [
            (&self.mean, &batch.mean, momentum),
            (&self.var, &batch.var, momentum * unbiased),
        ];
        for (running, new, share) in moves {
            let old = Var::constant(running.tensor()).mul_scalar(1.0 - momentum)?;
            running.set(
                old.add(&Var::constant(new.clone()).mul_scalar(share)?)?
                    .into_tensor(),
            )?;
        }
        self.batches.set(Tensor::scalar(seen)?)
    }
}

impl Module for BatchNorm {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let [weight, bias] = vars(&self.affine);
        let (weight, bias, eps) = (weight.as_ref(), bias.as_ref(), self.config.eps);
        let path = || self.path.as_str();
        match &self.running {
            Some(running) if !ctx.is_training() => {
                let (mean, var) = (running.mean.tensor(), running.var.tensor());
                x.batch_norm_eval(&mean, &var, weight, bias, eps).at(path)
            }
            running => {
                let batch = x.batch_norm(weight, bias, eps).at(path)?;
                if let Some(running) = running {
                    let count = x.numel() / batch.mean.numel().max(1);
                    running
                        .track(&batch, count, self.config.momentum)
                        .at(path)?;
                }
                Ok(batch.output)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamStore;
    use crate::layers::testing::check;

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

    #[test]
    fn keys_shapes_and_gradients() {
        let all: &[(&str, &[usize])] = &[
            ("weight", &[3]),
            ("bias", &[3]),
            ("running_mean", &[3]),
            ("running_var", &[3]),
            ("num_batches_tracked", &[]),
        ];
        check(all, &[4, 3], &[4, 3], |scope| {
            BatchNorm1d::new(scope, 3, &BatchNormConfig::default())
        });
        let plain = BatchNormConfig {
            affine: false,
            track_running_stats: false,
            ..BatchNormConfig::default()
        };
        check(&[], &[2, 3, 2, 2], &[2, 3, 2, 2], |scope| {
            BatchNorm2d::new(scope, 3, &plain)
        });
    }

    #[test]
    fn without_momentum_all_batches_count_alike() {
        let store = ParamStore::seeded(0);
        let config = BatchNormConfig {
            momentum: None,
            ..BatchNormConfig::default()
        };
        let norm = BatchNorm::new(&store.root(), 1, &config).unwrap();
        for x in [[1.0_f32, 3.0], [5.0, 7.0]] {
            let x = Var::constant(Tensor::from_slice(&x, [2, 1]).unwrap());
            norm.forward(&x, &Ctx::train(0, 0)).unwrap();
        }
        assert_eq!(store.buffers()[0].tensor().item_of(), 4.0);
        assert_eq!(store.buffers()[1].tensor().item_of(), 2.0);
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
