//! What a run trains: model, data, loss and scores. The loop, the logs and the checkpoints know nothing else of it.

pub(crate) mod classification;
mod image;
pub(crate) mod language_model;
pub(crate) mod masked_language_model;
pub(crate) mod text;

use gradus_autograd::Var;
use gradus_checkpoint::{RunDir, StateDict};
use gradus_data::{Batch, Loader};
use gradus_nn::{Ctx, ParamStore};

use self::classification::{Classification, Unit};
use self::image::ImageClassification;
use self::language_model::LanguageModel;
use self::masked_language_model::MaskedLanguageModel;
use crate::config::TrainConfig;
use crate::error::Result;
use crate::metrics::EvalReport;
use crate::report::Sample;

/// The tasks by their names in configurations.
pub(crate) const TASKS: &[&str] = &[
    "image-classification",
    "language-model",
    "masked-language-model",
    "text-classification",
    "token-classification",
];

/// Which data is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// What evaluations during training read.
    Eval,
    /// What the final evaluation reads.
    Test,
}

/// What a task says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The model's name.
    pub(crate) model: String,
    /// The data set's name.
    pub(crate) data: String,
    /// Class names in label order; empty without classes.
    pub(crate) classes: Vec<String>,
    /// Training samples.
    pub(crate) samples: usize,
    /// What a sample is, in the plural.
    pub(crate) unit: &'static str,
    /// What the user should know before the run starts.
    pub(crate) warnings: Vec<String>,
}

/// A model with its data, its loss and its scores.
pub(crate) trait Task {
    /// What it is about.
    fn about(&self) -> &About;

    /// The parameters and buffers of the model.
    fn store(&self) -> &ParamStore;

    /// The training data.
    fn train_loader(&self) -> Result<Loader>;

    /// The mean loss of a batch.
    fn loss(&self, batch: &Batch, ctx: &Ctx) -> Result<Var>;

    /// What the mean loss of a batch was divided by.
    fn weight(&self, batch: &Batch) -> Result<f64>;

    /// The name of the data of this split, if there is any.
    fn split(&self, split: Split) -> Option<&str>;

    /// Scores a split that there is with the weights as they are.
    fn evaluate(&self, split: Split) -> Result<EvalReport>;

    /// Writes the model, so that it can be used without the run: `weights`, and the `best` ones if they were kept.
    fn save(&self, dir: &RunDir, weights: &StateDict, best: Option<&StateDict>) -> Result<()>;

    /// Predictions to be shown in the report.
    fn samples(&self) -> Result<Vec<Sample>> {
        Ok(Vec::new())
    }
}

/// The task that a configuration asks for, with its data opened and its model built.
///
/// # Errors
/// What is wrong with the data, the model or the starting weights.
pub(crate) fn open(config: &TrainConfig) -> Result<Box<dyn Task>> {
    Ok(match config.task.as_str() {
        "language-model" => Box::new(LanguageModel::open(config)?),
        "masked-language-model" => Box::new(MaskedLanguageModel::open(config)?),
        "text-classification" => Box::new(Classification::open(config, Unit::Text)?),
        "token-classification" => Box::new(Classification::open(config, Unit::Word)?),
        // TrainConfig::validate has refused other names
        _ => Box::new(ImageClassification::open(config)?),
    })
}
