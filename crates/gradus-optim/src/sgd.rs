//! Stochastic gradient descent.

use gradus_autograd::{DType, Error, Gradients, Parameter, Result, Tensor};
use gradus_linalg::Float;
use gradus_linalg::optimizer as kernel;

use crate::group::resolve;
use crate::optimizer::check;
use crate::slots::{Slots, load_all};
use crate::{Optimizer, OptimizerState, ParamGroup};

/// The options of [`Sgd`], with PyTorch's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdConfig {
    /// The learning rate. Default: 1e-3.
    pub lr: f64,
    /// The share of the old velocity that is kept. Default: 0.
    pub momentum: f64,
    /// The share of the gradient that is left out of the velocity. Default: 0.
    pub dampening: f64,
    /// Looks ahead along the velocity; needs momentum and no dampening. Default: no.
    pub nesterov: bool,
    /// L2 penalty: `weight_decay · parameter` is added to the gradient. Default: 0.
    pub weight_decay: f64,
    /// L1 penalty: `l1 · sign(parameter)` is added to the gradient. Default: 0; not in PyTorch.
    pub l1: f64,
    /// Goes up the gradient. Default: no.
    pub maximize: bool,
    /// Other hyper-parameters for the parameters that a pattern picks.
    pub groups: Vec<ParamGroup>,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            l1: 0.0,
            maximize: false,
            groups: Vec::new(),
        }
    }
}

/// `v = momentum · v + (1 - dampening) · g`, `p -= lr · v`; `torch.optim.SGD`. The first velocity is the gradient itself.
#[derive(Debug)]
pub struct Sgd {
    config: SgdConfig,
    step: u64,
    momentum: Slots,
}

impl Sgd {
    /// An optimizer that has done no step.
    ///
    /// # Errors
    /// [`Error::Argument`] for a hyper-parameter outside its domain.
    pub fn new(config: SgdConfig) -> Result<Self> {
        for (name, value) in [
            ("lr", config.lr),
            ("weight_decay", config.weight_decay),
            ("l1", config.l1),
        ] {
            check("sgd", name, value, 0.0, f64::MAX)?;
        }
        check("sgd", "momentum", config.momentum, 0.0, 1.0)?;
        check("sgd", "dampening", config.dampening, 0.0, 1.0)?;
        if config.nesterov && (config.momentum == 0.0 || config.dampening != 0.0) {
            let expected = "above 0, and dampening 0, for nesterov";
            return Err(Error::Argument {
                op: "sgd",
                name: "momentum",
                expected,
                got: config.momentum,
            });
        }
        Ok(Self {
            config,
            step: 0,
            momentum: Slots::new("momentum"),
        })
    }

    fn update<T: Float>(&mut self, parameter: &Parameter, grad: &Tensor) -> Result<()> {
        let (lr_scale, weight_decay) = resolve(
            &self.config.groups,
            parameter.name(),
            self.config.weight_decay,
        );
        let options = kernel::Sgd {
            lr: self.config.lr * lr_scale,
            momentum: self.config.momentum,
            dampening: self.config.dampening,
            nesterov: self.config.nesterov,
            weight_decay,
            l1: self.config.l1,
            maximize: self.config.maximize,
        };
        let grad = grad.contiguous()?;
        let grad = grad.as_slice::<T>()?;
        let (velocity, first) = match self.config.momentum {
            0.0 => (None, false),
            _ => {
                let (slot, first) = self.momentum.get(parameter)?;
                (Some(slot.make_mut::<T>()?), first)
            }
        };
        parameter.update(|value| {
            kernel::sgd_step(value.make_mut::<T>()?, grad, velocity, first, &options);
            Ok(())
        })
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, parameters: &[Parameter], grads: &Gradients) -> Result<()> {
        self.step += 1;
        for parameter in parameters.iter().filter(|parameter| parameter.trainable()) {
            let Some(grad) = grads.get(parameter) else {
                continue;
            };
            match grad.dtype() {
                DType::F32 => self.update::<f32>(parameter, grad)?,
                DType::F64 => self.update::<f64>(parameter, grad)?,
                got => {
                    return Err(Error::DType {
                        op: "sgd",
                        expected: &[DType::F32, DType::F64],
                        got,
                    });
                }
            }
        }
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.config.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.config.lr = lr;
    }

    fn state(&self) -> OptimizerState {
        let mut slots = Vec::new();
        self.momentum.save(&mut slots);
        OptimizerState {
            step: self.step,
            slots,
        }
    }

    fn load_state(&mut self, parameters: &[Parameter], state: OptimizerState) -> Result<()> {
        self.step = state.step;
        load_all(&mut [&mut self.momentum], parameters, &state.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `w = [1, -2]` after steps with the gradient `[0.5, w₁]`.
    fn run(config: SgdConfig, steps: usize) -> Vec<f64> {
        let w = Parameter::new("w", Tensor::from_slice(&[1.0_f64, -2.0], [2]).unwrap());
        let mut sgd = Sgd::new(config).unwrap();
        for _ in 0..steps {
            let mut grads = Gradients::default();
            let now = w.tensor().to_vec::<f64>().unwrap();
            grads.replace(&w, Tensor::from_slice(&[0.5, now[1]], [2]).unwrap());
            sgd.step(std::slice::from_ref(&w), &grads).unwrap();
        }
        w.tensor().to_vec().unwrap()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-14),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn plain_momentum_dampening_nesterov_and_decay_by_hand() {
        let base = SgdConfig {
            lr: 0.1,
            ..Default::default()
        };
        close(&run(base.clone(), 1), &[0.95, -1.8]);
        // v: 0.5, then 0.9 · 0.5 + 0.5 = 0.95.   v: -2, then 0.9 · -2 - 1.8 = -3.6
        let momentum = SgdConfig {
            momentum: 0.9,
            ..base.clone()
        };
        close(&run(momentum.clone(), 2), &[0.855, -1.44]);
        // v: 0.5 (undamped), then 0.45 + 0.5 · 0.5 = 0.7.   v: -2, then -1.8 - 0.9 = -2.7
        close(
            &run(
                SgdConfig {
                    dampening: 0.5,
                    ..momentum.clone()
                },
                2,
            ),
            &[0.88, -1.53],
        );
        // g + 0.9 v with v = g.
        close(
            &run(
                SgdConfig {
                    nesterov: true,
                    ..momentum
                },
                1,
            ),
            &[0.905, -1.62],
        );
        close(
            &run(
                SgdConfig {
                    weight_decay: 0.2,
                    ..base.clone()
                },
                1,
            ),
            &[0.93, -1.76],
        );
        close(
            &run(
                SgdConfig {
                    l1: 0.2,
                    ..base.clone()
                },
                1,
            ),
            &[0.93, -1.78],
        );
        close(
            &run(
                SgdConfig {
                    maximize: true,
                    ..base
                },
                1,
            ),
            &[1.05, -2.2],
        );
    }

    #[test]
    fn museum_44_strided_gradients_move_parameters() {
        let w = Parameter::new("w", Tensor::zeros([2, 2], DType::F32).unwrap());
        let turned = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])
            .unwrap()
            .transpose(0, 1)
            .unwrap();
        w.set(turned.clone()).unwrap();
        let mut grads = Gradients::default();
        grads.replace(&w, turned);
        let mut sgd = Sgd::new(SgdConfig {
            lr: 0.5,
            ..Default::default()
        })
        .unwrap();
        sgd.step(std::slice::from_ref(&w), &grads).unwrap();
        assert_eq!(w.tensor().to_vec::<f32>().unwrap(), [0.5, 1.5, 1.0, 2.0]);
    }

    #[test]
    fn state_round_trips_and_foreign_state_is_refused() {
        let w = [Parameter::new(
            "w",
            Tensor::from_slice(&[1.0_f32], [1]).unwrap(),
        )];
        let config = SgdConfig {
            lr: 0.1,
            momentum: 0.9,
            ..Default::default()
        };
        let step = |sgd: &mut Sgd| {
            let mut grads = Gradients::default();
            grads.replace(&w[0], Tensor::from_slice(&[1.0_f32], [1]).unwrap());
            sgd.step(&w, &grads).unwrap();
            w[0].tensor().item::<f32>().unwrap()
        };
        let mut a = Sgd::new(config.clone()).unwrap();
        step(&mut a);
        let (state, value) = (a.state(), w[0].tensor().deep_copy().unwrap());
        let expected = step(&mut a);
        let mut b = Sgd::new(config).unwrap();
        b.load_state(&w, state.clone()).unwrap();
        w[0].set(value).unwrap();
        assert_eq!(step(&mut b), expected);
        let foreign = OptimizerState {
            step: 1,
            slots: vec![("exp_avg.w".into(), state.slots[0].1.clone())],
        };
        assert!(
            b.load_state(&w, foreign)
                .unwrap_err()
                .to_string()
                .contains("exp_avg.w: no such slot")
        );
    }

    #[test]
    fn bad_options_are_refused() {
        for config in [
            SgdConfig {
                lr: -1.0,
                ..Default::default()
            },
            SgdConfig {
                lr: f64::NAN,
                ..Default::default()
            },
            SgdConfig {
                momentum: 1.5,
                ..Default::default()
            },
            SgdConfig {
                nesterov: true,
                ..Default::default()
            },
        ] {
            assert!(Sgd::new(config).is_err());
        }
    }
}
