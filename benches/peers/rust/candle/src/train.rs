//! The optimizers: candle has SGD and AdamW; momentum is written here of its tensors, as its users do.

use candle_core::{Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW, SGD, VarMap};

const MOMENTUM: f64 = 0.9;
const MOMENTUM_RATE: f64 = 0.001;

/// One of the three optimizers of the workloads.
pub enum Optimizer {
    Sgd(SGD),
    Momentum(Vec<(Var, Tensor)>),
    AdamW(AdamW),
}

impl Optimizer {
    pub fn sgd(map: &VarMap) -> Result<Self> {
        Ok(Self::Sgd(SGD::new(map.all_vars(), 0.01)?))
    }

    pub fn momentum(map: &VarMap) -> Result<Self> {
        let with_buffer = |var: Var| -> Result<_> {
            let buffer = var.zeros_like()?;
            Ok((var, buffer))
        };
        let pairs: Result<_> = map.all_vars().into_iter().map(with_buffer).collect();
        Ok(Self::Momentum(pairs?))
    }

    pub fn adamw(map: &VarMap) -> Result<Self> {
        let config = ParamsAdamW {
            lr: 1e-4,
            weight_decay: 0.01,
            ..Default::default()
        };
        Ok(Self::AdamW(AdamW::new(map.all_vars(), config)?))
    }

    /// The backward pass and the update; the loss's value.
    pub fn step(&mut self, loss: &Tensor) -> Result<f64> {
        match self {
            Self::Sgd(sgd) => sgd.backward_step(loss)?,
            Self::AdamW(adamw) => adamw.backward_step(loss)?,
            Self::Momentum(pairs) => {
                let gradients = loss.backward()?;
                for (var, buffer) in pairs {
                    if let Some(gradient) = gradients.get(var) {
                        *buffer = ((&*buffer * MOMENTUM)? + gradient)?.detach();
                        var.set(&var.sub(&(&*buffer * MOMENTUM_RATE)?)?)?;
                    }
                }
            }
        }
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }
}
