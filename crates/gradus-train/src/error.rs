//! What can go wrong in a run: each cause keeps its own message.

use std::path::PathBuf;

use crate::memory::MemoryEstimate;
use crate::nonfinite::Origin;

/// The result of a run's part.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// Why a run could not start, go on or be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration.
    #[error("config: {0}")]
    Config(#[from] crate::config::ConfigError),
    /// The data.
    #[error("{0}")]
    Data(#[from] gradus_data::DataError),
    /// A checkpoint or weights file.
    #[error("{0}")]
    Checkpoint(#[from] gradus_checkpoint::CheckpointError),
    /// A model that cannot be built.
    #[error("{0}")]
    Model(#[from] gradus_models::ModelError),
    /// An op or optimizer.
    #[error("{0}")]
    Tensor(#[from] gradus_autograd::Error),
    /// A tokenizer.
    #[error("{0}")]
    Text(#[from] gradus_text::TextError),
    /// The tokenizer gives ids that the model has no rows for.
    #[error("{}: the tokenizer has {tokens} tokens and the model {rows}; take the tokenizer that belongs to the model", path.display())]
    Vocabulary {
        /// The folder.
        path: PathBuf,
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Tokens of the model.
        rows: usize,
    },
    /// A metric.
    #[error("{0}")]
    Metrics(#[from] crate::metrics::MetricsError),
    /// The metrics log.
    #[error("{0}")]
    Log(#[from] crate::jsonl::JsonlError),
    /// The TensorBoard log.
    #[error("{0}")]
    Events(#[from] crate::events::EventError),
    /// A file of the run directory.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A data set without the split that is needed.
    #[error("data {data}: has no {split} split; it has {has}")]
    NoSplit {
        /// The data set.
        data: String,
        /// The split that is missing.
        split: &'static str,
        /// The splits that there are.
        has: String,
    },
    /// As many class weights as classes are needed.
    #[error("class_weights: {got} weights for {classes} classes; give one for each class or none")]
    ClassWeights {
        /// Classes of the data.
        classes: usize,
        /// Weights given.
        got: usize,
    },
    /// The run in the directory was started with another configuration or other data.
    #[error("{}: the run there was started with another configuration or other data:\n{differences}\nchange these back, choose another directory, or go on all the same with --resume-anyway", path.display())]
    RunChanged {
        /// The run directory.
        path: PathBuf,
        /// One line a difference.
        differences: String,
    },
    /// The directory holds a finished or unfinished run already.
    #[error("{}: holds a run already; continue it with --resume, or choose another directory", path.display())]
    RunExists {
        /// The run directory.
        path: PathBuf,
    },
    /// A checkpoint or weights file lacks what a run needs.
    #[error("{}: {what}", path.display())]
    Incomplete {
        /// The file or directory.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The loss or a gradient is no number any more.
    #[error(
        "step {step}: {what}; {origin}; lower the learning rate, clip the gradients, or look at the data of this step; \
         on_nonfinite = \"skip\" leaves such steps out"
    )]
    NonFinite {
        /// The step that was not done.
        step: u64,
        /// The loss or the gradient, by its parameter, and what it holds.
        what: String,
        /// Where it comes from.
        origin: Origin,
    },
    /// The run would take more memory than it may.
    #[error(
        "the run would take about {estimate}; max_memory allows {}; lower batch_size (and raise accumulate to make up for it), block_size or \
         prefetch, or set recompute = true",
        limit >> 20
    )]
    Memory {
        /// The bytes that are allowed.
        limit: u64,
        /// What it would take.
        estimate: MemoryEstimate,
    },
}

impl TrainError {
    /// A [`TrainError::Io`] of this path, for `map_err`.
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}
