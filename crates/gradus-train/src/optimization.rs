//! The optimizer and the schedule of a configuration.

use gradus_optim::schedule::{
    Constant, Cosine, Exponential, MultiStep, OneCycle, Plateau, PlateauConfig, Polynomial, Step,
    Warmup,
};
use gradus_optim::{
    Adam, AdamConfig, Optimizer, ParamGroup, Schedule, Sgd, SgdConfig, matches_pattern,
};

use crate::config::TrainConfig;
use crate::error::Result;

/// The optimizer that the configuration names, for parameters of these names in the order of the model.
///
/// # Errors
/// Hyper-parameters outside their domain.
pub(crate) fn optimizer(config: &TrainConfig, names: &[&str]) -> Result<Box<dyn Optimizer>> {
    let groups = groups(config, names);
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

/// The groups of the configuration; with `layer_decay` one for each parameter.
fn groups(config: &TrainConfig, names: &[&str]) -> Vec<ParamGroup> {
    let given: Vec<ParamGroup> = config
        .param_groups
        .iter()
        .map(|group| ParamGroup {
            pattern: group.pattern.clone(),
            lr_scale: group.lr_scale,
            weight_decay: group.weight_decay,
        })
        .collect();
    if config.layer_decay == 1.0 {
        return given;
    }
    let of_name = |(name, rate): (&&str, f64)| {
        let group = given.iter().find(|g| matches_pattern(&g.pattern, name));
        ParamGroup {
            pattern: (*name).to_owned(),
            lr_scale: rate * group.map_or(1.0, |g| g.lr_scale),
            weight_decay: group.and_then(|g| g.weight_decay),
        }
    };
    let rates = layer_rates(names, config.layer_decay);
    names.iter().zip(rates).map(of_name).collect()
}

/// The share of the learning rate of each parameter: `decay` times that of the layer above. What stands before all layers, such as
/// embeddings, learns like a layer below the lowest, and what stands behind them, such as a head, at the full rate.
fn layer_rates(names: &[&str], decay: f64) -> Vec<f64> {
    let layer_of = |name: &str| -> Option<i32> {
        let parts: Vec<&str> = name.split('.').collect();
        let at = parts
            .iter()
            .position(|part| ["layer", "layers", "h"].contains(part))?;
        parts.get(at + 1)?.parse().ok()
    };
    let depth = names.iter().filter_map(|name| layer_of(name)).max();
    let depth = depth.map_or(0, |last| last + 1);
    let first = names.iter().position(|name| layer_of(name).is_some());
    let rate = |(at, name): (usize, &&str)| {
        let below = match layer_of(name) {
            Some(layer) => depth - layer,
            None if first.is_some_and(|first| at < first) => depth + 1,
            None => 0,
        };
        decay.powi(below)
    };
    names.iter().enumerate().map(rate).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GroupConfig;

    const NAMES: [&str; 5] = [
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.1.output.dense.bias",
        "bert.encoder.layer.1.output.dense.weight",
        "classifier.weight",
    ];

    #[test]
    fn lower_layers_learn_slower() {
        assert_eq!(layer_rates(&NAMES, 0.5), [0.125, 0.25, 0.5, 0.5, 1.0]);
        assert_eq!(layer_rates(&["conv1.weight"], 0.5), [1.0]);
    }

    #[test]
    fn layer_decay_keeps_the_groups() {
        let config = TrainConfig {
            layer_decay: 0.5,
            param_groups: vec![GroupConfig {
                pattern: "*bias".into(),
                lr_scale: 2.0,
                weight_decay: Some(0.0),
            }],
            ..TrainConfig::default()
        };
        let groups = groups(&config, &NAMES);
        assert_eq!(
            (groups[2].lr_scale, groups[2].weight_decay),
            (1.0, Some(0.0))
        );
        assert_eq!((groups[3].lr_scale, groups[3].weight_decay), (0.5, None));
        assert!(groups.iter().zip(NAMES).all(|(g, name)| g.pattern == name));
    }
}
