//! The configuration of a training run: every key, its default, its domain.
//!
//! The struct is flat: a key of the TOML file, a `--set key=value` and a flag have one name. Reading files is the
//! command line's work; this module knows the keys and checks the values.

mod keys;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use keys::{KEYS, KeyInfo, render_keys};
pub use validate::ConfigError;

/// The largest file of a configuration that is read, in bytes: a thousand times what people write.
pub const MAX_CONFIG_BYTES: u64 = 256 << 10;

/// What a reader of such a file says, each line cut to 240 characters: it repeats the line of the file, which may be of any length.
pub fn cut_lines(message: &str) -> String {
    const LONGEST: usize = 240;
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
    let lines: Vec<String> = message.trim_end().lines().map(cut).collect();
    lines.join("\n")
}

/// A training run, complete: the file `config.toml` of a run directory repeats it.
///
/// Defaults are the tutorial's job: its network on the embedded data set. [`KEYS`] documents each key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "KEYS documents every field, and a test holds the two together"
)]
pub struct TrainConfig {
    // what
    pub task: String,
    pub model: String,
    pub init: String,
    pub from: String,
    pub freeze: Vec<String>,
    pub recompute: bool,
    // adapters
    pub lora_rank: usize,
    pub lora_alpha: f64,
    pub lora_dropout: f64,
    pub lora_targets: Vec<String>,
    // data
    pub data: String,
    pub train_file: String,
    pub eval_file: String,
    pub text_column: String,
    pub label_column: String,
    pub tokenizer: String,
    pub vocab_size: usize,
    pub block_size: usize,
    pub windows_per_epoch: usize,
    pub mask_probability: f64,
    pub length_buckets: bool,
    pub val_fraction: f64,
    pub skip_bad_images: bool,
    pub sampler: String,
    pub shuffle: bool,
    pub drop_last: bool,
    pub workers: usize,
    pub prefetch: usize,
    pub cache_mb: usize,
    // how long
    pub epochs: u64,
    pub max_steps: u64,
    pub batch_size: usize,
    pub accumulate: usize,
    // loss
    pub label_smoothing: f64,
    pub class_weights: Vec<f64>,
    // optimizer
    pub optimizer: String,
    pub lr: f64,
    pub layer_decay: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub nesterov: bool,
    pub betas: [f64; 2],
    pub eps: f64,
    pub amsgrad: bool,
    pub weight_decay: Option<f64>,
    pub l1: f64,
    pub clip_norm: f64,
    pub clip_value: f64,
    pub on_nonfinite: String,
    pub ema_decay: f64,
    // schedule
    pub schedule: String,
    pub schedule_unit: String,
    pub warmup: u64,
    pub step_size: u64,
    pub gamma: f64,
    pub milestones: Vec<u64>,
    pub min_lr: f64,
    pub power: f64,
    pub rise: f64,
    pub patience: u64,
    // evaluation
    pub eval_every: u64,
    pub eval_batch_size: usize,
    pub early_stopping: u64,
    pub keep_best: bool,
    // run
    pub seed: u64,
    pub dtype: String,
    pub threads: usize,
    pub max_memory: usize,
    pub out: String,
    pub log_every: u64,
    pub log_samples: bool,
    pub checkpoint_every: u64,
    pub checkpoint_lag: u64,
    pub keep_checkpoints: usize,
    pub keep_every: u64,
    pub trace: String,
    // tables, which TOML wants last
    pub architecture: BTreeMap<String, serde_json::Value>,
    pub param_groups: Vec<GroupConfig>,
    pub transforms: Vec<TransformConfig>,
    pub eval_transforms: Vec<TransformConfig>,
}

/// Other hyper-parameters for the parameters that a name pattern picks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// A name pattern: `*` stands for any characters, `?` for one.
    pub pattern: String,
    /// The learning rate is multiplied by this.
    #[serde(default = "one")]
    pub lr_scale: f64,
    /// The weight decay, if another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

fn one() -> f64 {
    1.0
}

/// A transform by its torchvision name, with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformConfig {
    /// The name, such as `RandomCrop`.
    pub name: String,
    /// The arguments, such as `size = 32`.
    #[serde(flatten)]
    pub args: BTreeMap<String, ArgConfig>,
}

/// The value of a transform's argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ArgConfig {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A word, such as `"bilinear"`.
    Text(String),
    /// Several values.
    List(Vec<ArgConfig>),
}

impl TransformConfig {
    fn new(name: &str, args: &[(&str, ArgConfig)]) -> Self {
        Self {
            name: name.into(),
            args: args
                .iter()
                .map(|(key, value)| ((*key).into(), value.clone()))
                .collect(),
        }
    }
}

/// Resize to 32×32, three channels, to `[-1, 1]`: what makes the tutorial's exact network fit any images.
fn default_transforms() -> Vec<TransformConfig> {
    let list = |values: [f64; 3]| ArgConfig::List(values.map(ArgConfig::Number).to_vec());
    vec![
        TransformConfig::new(
            "Resize",
            &[("size", ArgConfig::List(vec![ArgConfig::Integer(32); 2]))],
        ),
        TransformConfig::new(
            "Grayscale",
            &[("num_output_channels", ArgConfig::Integer(3))],
        ),
        TransformConfig::new("ToTensor", &[]),
        TransformConfig::new(
            "Normalize",
            &[("mean", list([0.5; 3])), ("std", list([0.5; 3]))],
        ),
    ]
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            task: "image-classification".into(),
            model: "tutorial-cnn".into(),
            init: String::new(),
            from: String::new(),
            freeze: Vec::new(),
            recompute: false,
            lora_rank: 0,
            lora_alpha: 16.0,
            lora_dropout: 0.0,
            lora_targets: Vec::new(),
            data: "fashion-mnist-mini".into(),
            train_file: String::new(),
            eval_file: String::new(),
            text_column: "text".into(),
            label_column: "label".into(),
            tokenizer: String::new(),
            vocab_size: 8000,
            block_size: 128,
            windows_per_epoch: 0,
            mask_probability: 0.15,
            length_buckets: true,
            val_fraction: 0.0,
            skip_bad_images: false,
            sampler: "uniform".into(),
            shuffle: true,
            drop_last: false,
            workers: 1,
            prefetch: 2,
            cache_mb: 512,
            epochs: 10,
            max_steps: 0,
            batch_size: 16,
            accumulate: 1,
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            optimizer: "sgd".into(),
            lr: 0.01,
            layer_decay: 1.0,
            momentum: 0.9,
            dampening: 0.0,
            nesterov: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            amsgrad: false,
            weight_decay: None,
            l1: 0.0,
            clip_norm: 0.0,
            clip_value: 0.0,
            on_nonfinite: "stop".into(),
            ema_decay: 0.0,
            schedule: "cosine".into(),
            schedule_unit: "step".into(),
            warmup: 0,
            step_size: 1,
            gamma: 0.1,
            milestones: Vec::new(),
            min_lr: 0.0,
            power: 1.0,
            rise: 0.3,
            patience: 10,
            eval_every: 1,
            eval_batch_size: 256,
            early_stopping: 0,
            keep_best: false,
            seed: 42,
            dtype: "f32".into(),
            threads: 0,
            max_memory: 0,
            out: String::new(),
            log_every: 10,
            log_samples: false,
            checkpoint_every: 0,
            checkpoint_lag: 0,
            keep_checkpoints: 2,
            keep_every: 0,
            trace: String::new(),
            architecture: BTreeMap::new(),
            param_groups: Vec::new(),
            transforms: default_transforms(),
            eval_transforms: Vec::new(),
        }
    }
}

/// Biases and norms, which weight decay does not help.
const NO_DECAY: &[&str] = &["*bias", "*norm*", "*ln_*", "*LayerNorm*"];

impl TrainConfig {
    /// The defaults of a task: what a key has that nobody set.
    ///
    /// For text: AdamW with a linear warm-up, gradients clipped to a norm of 1, no weight decay of biases and norms.
    pub fn of_task(task: &str) -> Self {
        let images = Self::default();
        if task == images.task {
            return images;
        }
        let no_decay = |pattern: &&str| GroupConfig {
            pattern: (*pattern).into(),
            lr_scale: 1.0,
            weight_decay: Some(0.0),
        };
        let text = Self {
            task: task.into(),
            data: String::new(),
            transforms: Vec::new(),
            optimizer: "adamw".into(),
            weight_decay: Some(0.01),
            clip_norm: 1.0,
            epochs: 3,
            lr: 5e-5,
            schedule: "polynomial".into(),
            eval_batch_size: 32,
            param_groups: NO_DECAY.iter().map(no_decay).collect(),
            ..images
        };
        match task {
            "language-model" => Self {
                model: "gpt2".into(),
                lr: 1e-3,
                schedule: "cosine".into(),
                warmup: 100,
                val_fraction: 0.1,
                epochs: 10,
                ..text
            },
            "masked-language-model" => Self {
                model: "bert".into(),
                lr: 5e-4,
                warmup: 100,
                val_fraction: 0.1,
                epochs: 10,
                ..text
            },
            _ => Self {
                model: "bert".into(),
                val_fraction: 0.1,
                ..text
            },
        }
    }
}
