//! Adam and AdamW.

use gradus_autograd::{DType, Error, Gradients, Parameter, Result, Tensor};
use gradus_linalg::Float;
use gradus_linalg::optimizer as kernel;

use crate::group::resolve;
use crate::optimizer::check;
use crate::slots::{Slots, load_all};
use crate::{Optimizer, OptimizerState, ParamGroup};

/// The options of [`Adam`]; [`AdamConfig::adam`] and [`AdamConfig::adamw`] have PyTorch's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamConfig {
    /// The learning rate. Default: 1e-3.
    pub lr: f64,
    /// The decays of the two moments. Default: 0.9, 0.999.
    pub betas: [f64; 2],
    /// Added to the denominator. Default: 1e-8.
    pub eps: f64,
    /// L2 penalty, or decoupled decay. Default: 0 for Adam, 0.01 for AdamW.
    pub weight_decay: f64,
    /// The decay multiplies the parameter by `1 - lr · weight_decay` instead of entering the gradient: AdamW.
    pub decoupled: bool,
    /// Divides by the largest second moment so far. Default: no.
    pub amsgrad: bool,
    /// L1 penalty: `l1 · sign(parameter)` is added to the gradient. Default: 0; not in PyTorch.
    pub l1: f64,
    /// Goes up the gradient. Default: no.
    pub maximize: bool,
    /// Other hyper-parameters for the parameters that a pattern picks.
    pub groups: Vec<ParamGroup>,
}

impl AdamConfig {
    /// `torch.optim.Adam`'s defaults.
    pub fn adam() -> Self {
        Self {
            lr: 1e-3,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
            l1: 0.0,
            maximize: false,
            groups: Vec::new(),
        }
    }

    /// `torch.optim.AdamW`'s defaults.
    pub fn adamw() -> Self {
        Self {
            weight_decay: 0.01,
            decoupled: true,
            ..Self::adam()
        }
    }
}

/// Steps by the ratio of bias-corrected moments: `p -= lr · m̂ / (√v̂ + eps)`.
///
/// `torch.optim.Adam` and `torch.optim.AdamW`. Kingma and Ba 2015, arXiv:1412.6980; Loshchilov and Hutter 2019,
/// arXiv:1711.05101; Reddi et al. 2018, arXiv:1904.09237 (AMSGrad).
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    step: u64,
    first: Slots,
    second: Slots,
    largest: Slots,
}

impl Adam {
    /// An optimizer that has done no step.
    ///
    /// # Errors
    /// [`Error::Argument`] for a hyper-parameter outside its domain.
    pub fn new(config: AdamConfig) -> Result<Self> {
        for (name, value) in [
            ("lr", config.lr),
            ("eps", config.eps),
            ("weight_decay", config.weight_decay),
            ("l1", config.l1),
        ] {
            check("adam", name, value, 0.0, f64::MAX)?;
        }
        for beta in config.betas {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::Argument {
                    op: "adam",
                    name: "betas",
                    expected: "in 0..1",
                    got: beta,
                });
            }
        }
        let [first, second, largest] = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"].map(Slots::new);
        Ok(Self {
            config,
            step: 0,
            first,
            second,
            largest,
        })
    }

    fn update<T: Float>(&mut self, parameter: &Parameter, grad: &Tensor) -> Result<()> {
        let (lr_scale, weight_decay) = resolve(
            &self.config.groups,
            parameter.name(),
            self.config.weight_decay,
        );
        let options = kernel::Adam {
            lr: self.config.lr * lr_scale,
            beta1: self.config.betas[0],
            beta2: self.config.betas[1],
            eps: self.config.eps,
            weight_decay,
            decoupled: self.config.decoupled,
            l1: self.config.l1,
            maximize: self.config.maximize,
        };
        let grad = grad.contiguous()?;
        let grad = grad.as_slice::<T>()?;
        let first = self.first.get(parameter)?.0.make_mut::<T>()?;
        let second = self.second.get(parameter)?.0.make_mut::<T>()?;
        let largest = match self.config.amsgrad {
            true => Some(self.largest.get(parameter)?.0.make_mut::<T>()?),
            false => None,
        };
        parameter.update(|value| {
            kernel::adam_step(
                value.make_mut::<T>()?,
                grad,
                first,
                second,
                largest,
                self.step,
                &options,
            );
            Ok(())
        })
    }
}

impl Optimizer for Adam {
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
                        op: "adam",
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
        for kind in [&self.first, &self.second, &self.largest] {
            kind.save(&mut slots);
        }
        OptimizerState {
            step: self.step,
            slots,
        }
    }

    fn load_state(&mut self, parameters: &[Parameter], state: OptimizerState) -> Result<()> {
        self.step = state.step;
        load_all(
            &mut [&mut self.first, &mut self.second, &mut self.largest],
            parameters,
            &state.slots,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook's algorithm, element by element in f64.
    fn reference(config: &AdamConfig, mut p: f64, grads: &[f64]) -> f64 {
        let (mut m, mut v, mut top) = (0.0, 0.0, 0.0_f64);
        for (i, &grad) in grads.iter().enumerate() {
            let t = i as i32 + 1;
            let mut g = grad;
            if config.decoupled {
                p *= 1.0 - config.lr * config.weight_decay;
            } else {
                g += config.weight_decay * p;
            }
            m = config.betas[0] * m + (1.0 - config.betas[0]) * g;
            v = config.betas[1] * v + (1.0 - config.betas[1]) * g * g;
            top = top.max(v);
            let second = if config.amsgrad { top } else { v };
            let (m_hat, v_hat) = (
                m / (1.0 - config.betas[0].powi(t)),
                second / (1.0 - config.betas[1].powi(t)),
            );
            p -= config.lr * m_hat / (v_hat.sqrt() + config.eps);
        }
        p
    }

    #[test]
    fn follows_the_textbook() {
        let grads = [0.5, -3.0, 0.1, 0.0, 2.0];
        for config in [
            AdamConfig::adam(),
            AdamConfig::adamw(),
            AdamConfig {
                amsgrad: true,
                betas: [0.8, 0.5],
                ..AdamConfig::adam()
            },
            AdamConfig {
                weight_decay: 0.3,
                lr: 0.1,
                eps: 1e-3,
                ..AdamConfig::adam()
            },
            AdamConfig {
                weight_decay: 0.3,
                lr: 0.1,
                ..AdamConfig::adamw()
            },
        ] {
            let w = [Parameter::new(
                "w",
                Tensor::from_slice(&[1.5_f64], [1]).unwrap(),
            )];
            let mut adam = Adam::new(config.clone()).unwrap();
            for grad in grads {
                let mut gradients = Gradients::default();
                gradients.replace(&w[0], Tensor::from_slice(&[grad], [1]).unwrap());
                adam.step(&w, &gradients).unwrap();
            }
            let (found, expected) = (
                w[0].tensor().item::<f64>().unwrap(),
                reference(&config, 1.5, &grads),
            );
            assert!(
                (found - expected).abs() < 1e-13,
                "{config:?}: {found} {expected}"
            );
        }
    }

    #[test]
    fn groups_and_frozen_parameters() {
        let parameter =
            |name: &str| Parameter::new(name, Tensor::from_slice(&[1.0_f32], [1]).unwrap());
        let all = [
            parameter("head.weight"),
            parameter("body.weight"),
            parameter("frozen"),
        ];
        all[2].set_trainable(false);
        let mut head = ParamGroup::new("head.*");
        head.lr_scale = 2.0;
        let mut adam = Adam::new(AdamConfig {
            lr: 0.1,
            groups: vec![head],
            ..AdamConfig::adam()
        })
        .unwrap();
        let mut grads = Gradients::default();
        for p in &all {
            grads.replace(p, Tensor::from_slice(&[3.0_f32], [1]).unwrap());
        }
        adam.step(&all, &grads).unwrap();
        let values: Vec<f32> = all.iter().map(|p| p.tensor().item().unwrap()).collect();
        // The first step of Adam is lr, whatever the gradient.
        assert!(
            (values[0] - 0.8).abs() < 1e-6 && (values[1] - 0.9).abs() < 1e-6 && values[2] == 1.0,
            "{values:?}"
        );
    }

    #[test]
    fn museum_58_bias_correction_continues_after_a_restore() {
        let w = [Parameter::new(
            "w",
            Tensor::from_slice(&[1.0_f32], [1]).unwrap(),
        )];
        let step = |adam: &mut Adam, g: f32| {
            let mut grads = Gradients::default();
            grads.replace(&w[0], Tensor::from_slice(&[g], [1]).unwrap());
            adam.step(&w, &grads).unwrap();
        };
        let mut a = Adam::new(AdamConfig {
            amsgrad: true,
            ..AdamConfig::adamw()
        })
        .unwrap();
        step(&mut a, 1.0);
        step(&mut a, -0.5);
        let (state, value) = (a.state(), w[0].tensor().deep_copy().unwrap());
        assert_eq!(state.slots.len(), 3);
        step(&mut a, 0.25);
        let expected = w[0].tensor().item::<f32>().unwrap();
        let mut b = Adam::new(AdamConfig {
            amsgrad: true,
            ..AdamConfig::adamw()
        })
        .unwrap();
        b.load_state(&w, state).unwrap();
        w[0].set(value).unwrap();
        step(&mut b, 0.25);
        assert_eq!(w[0].tensor().item::<f32>().unwrap(), expected);
        assert!(
            Adam::new(AdamConfig {
                betas: [1.0, 0.9],
                ..AdamConfig::adam()
            })
            .is_err()
        );
    }
}
