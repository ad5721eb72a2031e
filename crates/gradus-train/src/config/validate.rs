//! Values outside their domain are refused before anything starts.

use super::{KEYS, TrainConfig};
use crate::task::TASKS;

/// A value of the configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value outside its domain.
    #[error("{key}: must be {expected}, got {got}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key:?}{}", nearest.as_ref().map_or(String::new(), |n| format!("; did you mean {n:?}?")))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key that is nearest, if one is near.
        nearest: Option<String>,
    },
}

impl ConfigError {
    /// For a key that does not exist, with the known key that is nearest.
    pub fn unknown_key(key: &str) -> Self {
        let nearest =
            gradus_data::nearest(key, KEYS.iter().map(|known| known.name)).map(str::to_owned);
        Self::UnknownKey {
            key: key.to_owned(),
            nearest,
        }
    }
}

impl TrainConfig {
    /// Checks every value by itself.
    ///
    /// # Errors
    /// The first value outside its domain.
    pub fn validate(&self) -> Result<(), ConfigError> {
        one_of("task", &self.task, TASKS)?;
        self.validate_model()?;
        one_of("optimizer", &self.optimizer, &["sgd", "adam", "adamw"])?;
        one_of("dtype", &self.dtype, &["f32", "bf16"])?;
        one_of("sampler", &self.sampler, &["uniform", "balanced"])?;
        one_of("schedule_unit", &self.schedule_unit, &["step", "epoch"])?;
        let schedules = [
            "constant",
            "step",
            "multistep",
            "exponential",
            "cosine",
            "polynomial",
            "one-cycle",
            "plateau",
        ];
        one_of("schedule", &self.schedule, &schedules)?;
        one_of("on_nonfinite", &self.on_nonfinite, &["stop", "skip"])?;
        let at_least_one = [
            ("batch_size", self.batch_size as u64),
            ("eval_batch_size", self.eval_batch_size as u64),
            ("accumulate", self.accumulate as u64),
            ("prefetch", self.prefetch as u64),
            ("step_size", self.step_size),
            ("log_every", self.log_every),
            ("keep_checkpoints", self.keep_checkpoints as u64),
            ("vocab_size", self.vocab_size as u64),
        ];
        for (key, value) in at_least_one {
            require(key, value > 0, "at least 1", value)?;
        }
        for (key, value) in [("workers", self.workers), ("threads", self.threads)] {
            require(key, value <= 1024, "at most 1024", value)?;
        }
        require(
            "lr",
            self.lr >= 0.0 && self.lr.is_finite(),
            "at least 0",
            self.lr,
        )?;
        let not_negative = [
            ("weight_decay", self.weight_decay.unwrap_or(0.0)),
            ("l1", self.l1),
            ("eps", self.eps),
            ("clip_norm", self.clip_norm),
            ("clip_value", self.clip_value),
            ("gamma", self.gamma),
            ("min_lr", self.min_lr),
            ("power", self.power),
        ];
        for (key, value) in not_negative {
            require(key, value >= 0.0 && value.is_finite(), "at least 0", value)?;
        }
        for (key, value) in [
            ("momentum", self.momentum),
            ("dampening", self.dampening),
            ("label_smoothing", self.label_smoothing),
        ] {
            require(key, (0.0..=1.0).contains(&value), "in 0..=1", value)?;
        }
        let below_one = [
            ("val_fraction", self.val_fraction),
            ("mask_probability", self.mask_probability),
            ("lora_dropout", self.lora_dropout),
            ("ema_decay", self.ema_decay),
            ("rise", self.rise),
            ("betas", self.betas[0]),
            ("betas", self.betas[1]),
        ];
        for (key, value) in below_one {
            require(key, (0.0..1.0).contains(&value), "in 0..1", value)?;
        }
        require(
            "layer_decay",
            self.layer_decay > 0.0 && self.layer_decay <= 1.0,
            "above 0 and at most 1",
            self.layer_decay,
        )?;
        require(
            "block_size",
            self.block_size >= 2,
            "at least 2",
            self.block_size,
        )?;
        for &weight in &self.class_weights {
            require(
                "class_weights",
                weight >= 0.0 && weight.is_finite(),
                "at least 0",
                weight,
            )?;
        }
        require(
            "epochs",
            self.epochs > 0 || self.max_steps > 0,
            "above 0 unless max_steps is",
            self.epochs,
        )
    }
}

impl TrainConfig {
    /// The model, and what text tasks need beside it.
    fn validate_model(&self) -> Result<(), ConfigError> {
        if self.task == TASKS[0] {
            let models: Vec<&str> = gradus_models::MODELS
                .iter()
                .map(|model| model.name)
                .collect();
            return one_of("model", &self.model, &models);
        }
        let models: Vec<&str> = gradus_models::Architecture::TEXT
            .iter()
            .map(|architecture| architecture.model_type())
            .collect();
        one_of("model", &self.model, &models)?;
        require(
            "train_file",
            !self.train_file.is_empty(),
            "the file with the text to train on",
            "none",
        )?;
        require(
            "lora_targets",
            self.lora_rank == 0 || !self.lora_targets.is_empty(),
            "name patterns of layers where lora_rank is above 0",
            "none",
        )?;
        require(
            "from",
            self.lora_rank == 0 || !self.from.is_empty(),
            "a folder where lora_rank is above 0: adapters change a trained model",
            "none",
        )
    }
}

fn require(
    key: &'static str,
    holds: bool,
    expected: &str,
    got: impl ToString,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::Value {
            key,
            expected: expected.into(),
            got: got.to_string(),
        })
    }
}

fn one_of(key: &'static str, value: &str, known: &[&str]) -> Result<(), ConfigError> {
    let near = gradus_data::nearest(value, known.iter().copied())
        .map(|n| format!("; did you mean {n:?}?"));
    let expected = format!("one of {}{}", known.join(", "), near.unwrap_or_default());
    require(key, known.contains(&value), &expected, format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        TrainConfig::default().validate().unwrap();
    }

    #[test]
    fn values_outside_their_domain_are_named() {
        let refused = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|c| c.batch_size = 0),
            "batch_size: must be at least 1, got 0"
        );
        assert_eq!(refused(|c| c.lr = -0.1), "lr: must be at least 0, got -0.1");
        assert!(refused(|c| c.lr = f64::NAN).starts_with("lr: must be at least 0"));
        assert!(refused(|c| c.optimizer = "adamww".into()).contains("did you mean \"adamw\"?"));
        assert!(refused(|c| c.betas[1] = 1.0).starts_with("betas: must be in 0..1"));
        assert!(refused(|c| c.epochs = 0).starts_with("epochs: must be above 0"));
    }

    #[test]
    fn unknown_keys_come_with_the_nearest() {
        let error = ConfigError::unknown_key("batchsize").to_string();
        assert_eq!(
            error,
            "unknown key \"batchsize\"; did you mean \"batch_size\"?"
        );
    }
}
