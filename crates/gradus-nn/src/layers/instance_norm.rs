//! Normalisation of each channel of each sample.

use gradus_autograd::{Buffer, DType, Parameter, Result, ResultExt, Tensor, Var, is_recomputing};

use super::group_norm::{affine, vars};
use crate::{Ctx, Module, Scope};

/// The options of [`InstanceNorm`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNormConfig {
    /// Added to the variance. Default: 1e-5.
    pub eps: f64,
    /// The share of the new batch in the running statistics. Default: 0.1.
    pub momentum: f64,
    /// Whether there are weight and bias. Default: no.
    pub affine: bool,
    /// Whether running statistics are kept, and used in evaluation. Default: no.
    pub track_running_stats: bool,
}

impl Default for InstanceNormConfig {
    fn default() -> Self {
        Self {
            eps: 1e-5,
            momentum: 0.1,
            affine: false,
            track_running_stats: false,
        }
    }
}

/// Normalises each channel of each sample over its `D` sides. Ulyanov et al. 2016, arXiv:1607.08022.
///
/// # Shapes
/// `(N, C, sides…)`, or without `N`; the same out. `weight`, `bias`, `running_mean` and `running_var`, if there, are `(C,)`.
#[derive(Clone, Debug)]
pub struct InstanceNorm<const D: usize> {
    path: String,
    config: InstanceNormConfig,
    affine: Option<[Parameter; 2]>,
    running: Option<[Buffer; 2]>,
}

/// `torch.nn.InstanceNorm1d`.
pub type InstanceNorm1d = InstanceNorm<1>;
/// `torch.nn.InstanceNorm2d`.
pub type InstanceNorm2d = InstanceNorm<2>;
/// `torch.nn.InstanceNorm3d`.
pub type InstanceNorm3d = InstanceNorm<3>;

impl<const D: usize> InstanceNorm<D> {
    /// A layer for `channels` channels.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(scope: &Scope, channels: usize, config: &InstanceNormConfig) -> Result<Self> {
        let affine = config.affine.then(|| affine(scope, channels)).transpose()?;
        let mut running = None;
        if config.track_running_stats {
            let (zeros, ones) = (
                Tensor::zeros([channels], scope.dtype())?,
                Tensor::ones([channels], scope.dtype())?,
            );
            running = Some([
                scope.buffer("running_mean", zeros)?,
                scope.buffer("running_var", ones)?,
            ]);
            // PyTorch has it in the state dict, and never counts.
            scope.buffer("num_batches_tracked", Tensor::zeros((), DType::I64)?)?;
        }
        Ok(Self {
            path: scope.path().to_owned(),
            config: *config,
            affine,
            running,
        })
    }

    /// Moves the running statistics towards the means of those of the samples (variances over `m - 1`).
    fn track(&self, x: &Var, running: &[Buffer; 2]) -> Result<()> {
        if is_recomputing() {
            return Ok(());
        }
        let x = x.detach();
        let sides: Vec<isize> = (2..x.rank() as isize).collect();
        let new = [x.mean(&sides, false)?, x.var(&sides, 1.0, false)?];
        let momentum = self.config.momentum;
        for (running, new) in running.iter().zip(new) {
            let old = Var::constant(running.tensor()).mul_scalar(1.0 - momentum)?;
            let share = new.mean(&[0], false)?.mul_scalar(momentum)?;
            running.set(old.add(&share)?.into_tensor())?;
        }
        Ok(())
    }

    fn batched(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        let [weight, bias] = vars(&self.affine);
        let (weight, bias, eps) = (weight.as_ref(), bias.as_ref(), self.config.eps);
        match &self.running {
            Some([mean, var]) if !ctx.is_training() => {
                x.batch_norm_eval(&mean.tensor(), &var.tensor(), weight, bias, eps)
            }
            running => {
                let y = x.instance_norm(weight, bias, eps)?;
                if let Some(running) = running {
                    self.track(x, running)?;
                }
                Ok(y)
            }
        }
    }
}

impl<const D: usize> Module for InstanceNorm<D> {
    fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
        if x.rank() == D + 1 {
            let y = x.unsqueeze(0).and_then(|x| self.batched(&x, ctx));
            return y.and_then(|y| y.squeeze(0)).at(|| self.path.as_str());
        }
        self.batched(x, ctx).at(|| self.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn keys_shapes_and_gradients() {
        let config = InstanceNormConfig {
            affine: true,
            track_running_stats: true,
            ..InstanceNormConfig::default()
        };
        let all: &[(&str, &[usize])] = &[
            ("weight", &[3]),
            ("bias", &[3]),
            ("running_mean", &[3]),
            ("running_var", &[3]),
            ("num_batches_tracked", &[]),
        ];
        check(all, &[2, 3, 5], &[2, 3, 5], |scope| {
            InstanceNorm1d::new(scope, 3, &config)
        });
        check(all, &[3, 2, 2, 2], &[3, 2, 2, 2], |scope| {
            InstanceNorm3d::new(scope, 3, &config)
        });
        check(&[], &[3, 2, 4], &[3, 2, 4], |scope| {
            InstanceNorm2d::new(scope, 3, &InstanceNormConfig::default())
        });
    }

    #[test]
    fn museum_53_stores_the_mean_of_the_samples_unbiased_variances() {
        let store = crate::ParamStore::with_dtype(0, DType::F64);
        let config = InstanceNormConfig {
            track_running_stats: true,
            momentum: 0.5,
            ..InstanceNormConfig::default()
        };
        let norm = InstanceNorm1d::new(&store.root(), 1, &config).unwrap();
        let x = Tensor::from_slice(&[1.0, 3.0, 0.0, 8.0], [2, 1, 2]).unwrap();
        let x = Var::constant(x);
        norm.forward(&x, &Ctx::train(0, 0)).unwrap();
        let at = |i: usize| store.buffers()[i].tensor().to_vec::<f64>().unwrap()[0];
        assert_eq!((at(0), at(1)), (1.5, 0.5 + 0.5 * 17.0));
        let y = norm.forward(&x, &Ctx::eval()).unwrap();
        let first = y.tensor().to_vec::<f64>().unwrap()[0];
        assert!((first - -0.5 / (9.0_f64 + 1e-5).sqrt()).abs() < 1e-14);
    }
}
