//! A trained model as a run directory keeps it: loaded again to be scored or used.

use std::path::{Path, PathBuf};

use gradus_autograd::{Tensor, Var, no_grad};
use gradus_checkpoint::{Metadata, RunDir, load_state_dict};
use gradus_data::{ColorMode, Compose, DataError, Image, Item};
use gradus_models::ImageInput;
use gradus_nn::{Ctx, Module, ParamStore};
use gradus_random::Rng;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::data::{RunData, eval_specs, open_eval_split};
use crate::error::{Result, TrainError};
use crate::evaluate::{evaluate, logits_of};
use crate::metrics::{EvalReport, softmax_row};

/// The metadata key under which a weights file says what it is.
const CARD: &str = "gradus";

/// The same beside the weights, for weights that another program put in their place.
pub(crate) const CARD_FILE: &str = "model.json";

/// What a weights file says about itself, so that it can be used alone: one JSON value in its metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model's name.
    pub model: String,
    /// Channels of its images.
    pub channels: usize,
    /// Height and width of its images, in pixels.
    pub size: [usize; 2],
    /// Its classes, in label order.
    pub classes: Vec<String>,
}

impl ModelCard {
    pub(crate) fn new(config: &TrainConfig, data: &RunData) -> Self {
        let ImageInput { channels, size, .. } = data.input;
        Self {
            model: config.model.clone(),
            channels,
            size,
            classes: data.classes.clone(),
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn metadata(&self) -> Metadata {
        Metadata::from([(CARD.to_owned(), self.json())])
    }

    fn input(&self) -> ImageInput {
        ImageInput {
            channels: self.channels,
            size: self.size,
            classes: self.classes.len(),
        }
    }
}

/// A class and how probable it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The class.
    pub label: String,
    /// Its probability, in `0..=1`.
    pub probability: f64,
}

/// A trained model with everything that its use needs.
pub struct SavedModel {
    card: ModelCard,
    config: TrainConfig,
    model: Box<dyn Module>,
    transforms: Compose,
}

impl SavedModel {
    /// Loads the model of a run directory, whose `config.toml` the caller has read.
    ///
    /// # Errors
    /// A missing or damaged `model.safetensors`; names or shapes that do not fit the model.
    pub fn open(run: &Path, config: &TrainConfig) -> Result<Self> {
        let path = RunDir::new(run).model();
        let (state, metadata) = load_state_dict(&path)?;
        // Weights that another program wrote into the run say nothing of themselves; the run still knows.
        let beside = || std::fs::read_to_string(run.join(CARD_FILE)).ok();
        let json = metadata.get(CARD).cloned().or_else(beside);
        let card = json.and_then(|json| serde_json::from_str::<ModelCard>(&json).ok());
        let card = card.ok_or_else(|| TrainError::Incomplete {
            path: path.clone(),
            what: format!(
                "neither its metadata nor {CARD_FILE} beside it says which model it is; was it written by gradus train?"
            ),
        })?;
        let store = ParamStore::seeded(0);
        let model = gradus_models::build(&card.model, &store.root(), &card.input())?;
        gradus_models::load_weights_from(&store, &state, &path)?;
        let transforms = Compose::from_specs(&eval_specs(config)?).map_err(DataError::from)?;
        Ok(Self {
            card,
            config: config.clone(),
            model,
            transforms,
        })
    }

    /// What the model is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Scores the model on the `test` split (else `val`, else `train`) of its own data, or of `data`.
    ///
    /// # Errors
    /// What is wrong with the data; classes that are not the model's.
    pub fn evaluate(&self, data: Option<&str>) -> Result<EvalReport> {
        let mut config = self.config.clone();
        if let Some(data) = data {
            config.data = data.to_owned();
        }
        let (split, classes) = open_eval_split(&config)?;
        if classes != self.card.classes {
            let only = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|c| !b.contains(c)).cloned().collect()
            };
            let (model, data) = ("the model's classes".into(), PathBuf::from(&config.data));
            return Err(TrainError::Data(DataError::ClassesDiffer {
                first: model,
                second: data,
                only_in_first: only(&self.card.classes, &classes),
                only_in_second: only(&classes, &self.card.classes),
            }));
        }
        evaluate(&*self.model, &split, &classes, &config)
    }

    /// The `k` most probable classes of an image file, the best first.
    ///
    /// # Errors
    /// A file that cannot be read or is no usable image, with its path.
    pub fn predict(&self, path: &Path, k: usize) -> Result<Vec<Prediction>> {
        let bytes = std::fs::read(path).map_err(TrainError::io(path, "read"))?;
        let mode = if self.card.channels == 1 {
            ColorMode::Grey
        } else {
            ColorMode::AsStored
        };
        let image = Image::decode(&bytes, mode).map_err(|source| DataError::Image {
            path: path.to_owned(),
            source,
        })?;
        let probabilities = predict_image(&*self.model, &self.transforms, image)?;
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| {
            probabilities[b]
                .total_cmp(&probabilities[a])
                .then(a.cmp(&b))
        });
        let prediction = |&class: &usize| Prediction {
            label: self.card.classes[class].clone(),
            probability: probabilities[class],
        };
        Ok(order.iter().take(k).map(prediction).collect())
    }
}

/// The probability of each class for one image.
pub(crate) fn predict_image(
    model: &dyn Module,
    transforms: &Compose,
    image: Image,
) -> Result<Vec<f64>> {
    // The transforms are fixed ones, so the random numbers are never read.
    let item = transforms.apply(image, &mut Rng::new(0, 0, 0))?;
    let x: Tensor = match item {
        Item::Tensor(x) => x,
        Item::Image(image) => gradus_data::ToTensor.apply(&image)?,
    };
    let x = Var::constant(x.unsqueeze(0)?);
    let logits = no_grad(|| model.forward(&x, &Ctx::eval()))?;
    Ok(softmax_row(&logits_of(logits.tensor())?))
}
