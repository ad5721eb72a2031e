//! The optimizer and the schedule of a configuration.

use gradus_optim::schedule::{
    Constant, Cosine, Exponential, MultiStep, OneCycle, Plateau, PlateauConfig, Polynomial, Step,
    Warmup,
};
use gradus_optim::{Adam, AdamConfig, Optimizer, ParamGroup, Schedule, Sgd, SgdConfig};

use crate::config::TrainConfig;
use crate::error::Result;

/// The optimizer that the configuration names.
///
/// # Errors
/// Hyper-parameters outside their domain.
pub(crate) fn optimizer(config: &TrainConfig) -> Result<Box<dyn Optimizer>> {
    let groups = config.param_groups.iter().map(|group| ParamGroup {
        pattern: group.pattern.clone(),
        lr_scale: group.lr_scale,
        weight_decay: group.weight_decay,
    });
    let groups: Vec<ParamGroup> = groups.collect();
    if config.optimizer == "sgd" {
        return Ok(Box::new(Sgd::new(SgdConfig {
            lr: config.lr,
            momentum: config.momentum,
            dampening: config.dampening,
            nesterov: config.nesterov,
            weight_decay: config.weight_decay.unwrap_or(0.0),
            l1: config.l1,
            maximize: false,
            groups,
        })?));
    }
    let base = if config.optimizer == "adamw" {
        AdamConfig::adamw()
    } else {
        AdamConfig::adam()
    };
    Ok(Box::new(Adam::new(AdamConfig {
        lr: config.lr,
        betas: config.betas,
        eps: config.eps,
        weight_decay: config.weight_decay.unwrap_or(base.weight_decay),
        amsgrad: config.amsgrad,
        l1: config.l1,
        groups,
        ..base
    })?))
}

/// The schedule that the configuration names, over `total` units (steps or epochs).
pub(crate) fn schedule(config: &TrainConfig, total: u64) -> Box<dyn Schedule> {
    let total = total.saturating_sub(config.warmup).max(1);
    let gamma = config.gamma;
    let then: Box<dyn Schedule> = match config.schedule.as_str() {
        "step" => Box::new(Step {
            size: config.step_size,
            gamma,
        }),
        "multistep" => Box::new(MultiStep {
            milestones: config.milestones.clone(),
            gamma,
        }),
        "exponential" => Box::new(Exponential { gamma }),
        "cosine" => Box::new(Cosine {
            total,
            min: config.min_lr,
        }),
        "polynomial" => Box::new(Polynomial {
            total,
            power: config.power,
            end: config.min_lr,
        }),
        "one-cycle" => Box::new(OneCycle {
            rise: config.rise,
            ..OneCycle::new(total)
        }),
        "plateau" => {
            let min_factor = if config.lr > 0.0 {
                config.min_lr / config.lr
            } else {
                0.0
            };
            let options = PlateauConfig {
                factor: gamma,
                patience: config.patience,
                min_factor,
                ..Default::default()
            };
            Box::new(Plateau::new(options))
        }
        _ => Box::new(Constant),
    };
    if config.warmup == 0 {
        then
    } else {
        Box::new(Warmup {
            steps: config.warmup,
            then,
        })
    }
}
