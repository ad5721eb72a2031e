//! Image classification.

use std::path::Path;

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{Tensor, Var};
use gradus_checkpoint::{RunDir, StateDict, save_state_dict};
use gradus_data::{Batch, Compose, DataError, Loader};
use gradus_nn::{Ctx, Module, ParamStore};

use super::{About, Split, Task};
use crate::config::TrainConfig;
use crate::data::{RunData, SplitData, eval_specs};
use crate::error::{Result, TrainError};
use crate::evaluate::evaluate;
use crate::metrics::EvalReport;
use crate::report::Sample;
use crate::run::write_text;
use crate::saved::{CARD_FILE, ModelCard, predict_image};

/// Predictions on the page.
const SAMPLES: usize = 24;

/// A classifier of images, and images.
pub(super) struct ImageClassification {
    config: TrainConfig,
    about: About,
    data: RunData,
    store: ParamStore,
    model: Box<dyn Module>,
    loss: CrossEntropyConfig,
}

impl ImageClassification {
    pub(super) fn open(config: &TrainConfig) -> Result<Self> {
        let data = RunData::open(config)?;
        let store = ParamStore::seeded(config.seed);
        let model = gradus_models::build(&config.model, &store.root(), &data.input)?;
        if !config.init.is_empty() {
            gradus_models::load_weights(&store, Path::new(&config.init))?;
        }
        let left_out = |file: &gradus_data::SkippedFile| {
            format!("left out {}: {}", file.path.display(), file.reason)
        };
        let about = About {
            model: config.model.clone(),
            data: data.name.clone(),
            classes: data.classes.clone(),
            samples: data.train.dataset.len(),
            unit: "images",
            warnings: data.skipped.iter().map(left_out).collect(),
        };
        Ok(Self {
            loss: loss_config(config, data.classes.len())?,
            config: config.clone(),
            about,
            data,
            store,
            model,
        })
    }

    fn split_data(&self, split: Split) -> Option<&SplitData> {
        match split {
            Split::Eval => self.data.eval.as_ref(),
            Split::Test => self.data.test.as_ref(),
        }
    }
}

impl Task for ImageClassification {
    fn about(&self) -> &About {
        &self.about
    }

    fn store(&self) -> &ParamStore {
        &self.store
    }

    fn train_loader(&self) -> Result<Loader> {
        self.data.train_loader(&self.config)
    }

    fn loss(&self, batch: &Batch, ctx: &Ctx) -> Result<Var> {
        let logits = self.model.forward(&Var::constant(batch.x.clone()), ctx)?;
        Ok(logits.cross_entropy(&batch.labels, &self.loss)?)
    }

    fn weight(&self, batch: &Batch) -> Result<f64> {
        let weights = &self.config.class_weights;
        if weights.is_empty() {
            return Ok(batch.len() as f64);
        }
        let weight = |&label: &i64| usize::try_from(label).ok().and_then(|l| weights.get(l));
        Ok(batch
            .labels
            .to_vec::<i64>()?
            .iter()
            .filter_map(weight)
            .sum())
    }

    fn split(&self, split: Split) -> Option<&str> {
        self.split_data(split).map(|data| data.name.as_str())
    }

    fn evaluate(&self, split: Split) -> Result<EvalReport> {
        let data = self
            .split_data(split)
            .ok_or_else(|| no_split(&self.config))?;
        evaluate(&*self.model, data, &self.data.classes, &self.config)
    }

    fn save(&self, dir: &RunDir, weights: &StateDict, best: Option<&StateDict>) -> Result<()> {
        write_text(
            &dir.labels(),
            &self
                .data
                .classes
                .iter()
                .map(|class| format!("{class}\n"))
                .collect::<String>(),
        )?;
        let card = ModelCard::new(&self.config, &self.data);
        save_state_dict(dir.model(), weights, &card.metadata())?;
        write_text(&dir.path().join(CARD_FILE), &card.json())?;
        if let Some(best) = best {
            save_state_dict(dir.path().join("best.safetensors"), best, &card.metadata())?;
        }
        Ok(())
    }

    /// Evenly spread over the test split.
    fn samples(&self) -> Result<Vec<Sample>> {
        let Some(split) = &self.data.test else {
            return Ok(Vec::new());
        };
        let transforms =
            Compose::from_specs(&eval_specs(&self.config)?).map_err(DataError::from)?;
        let classes = &self.data.classes;
        let count = split.source.len();
        let mut samples = Vec::with_capacity(SAMPLES);
        for i in 0..SAMPLES.min(count) {
            let index = (2 * i + 1) * count / (2 * SAMPLES.min(count));
            let image = split.source.image(index)?;
            let png = image.encode_png().map_err(|source| DataError::Image {
                path: split.source.sample_name(index).into(),
                source,
            })?;
            let probabilities = predict_image(&*self.model, &transforms, image)?;
            let more = |a: usize, b: usize| {
                if probabilities[b] > probabilities[a] {
                    b
                } else {
                    a
                }
            };
            let best = (0..classes.len()).reduce(more);
            let truth = usize::try_from(split.source.labels()[index])
                .ok()
                .and_then(|label| classes.get(label));
            samples.push(Sample {
                png,
                truth: truth.cloned().unwrap_or_default(),
                predicted: best.map(|best| classes[best].clone()).unwrap_or_default(),
                probability: best.map_or(0.0, |best| probabilities[best]),
            });
        }
        Ok(samples)
    }
}

fn no_split(config: &TrainConfig) -> TrainError {
    TrainError::NoSplit {
        data: config.data.clone(),
        split: "test",
        has: "train only".to_owned(),
    }
}

pub(super) fn loss_config(config: &TrainConfig, classes: usize) -> Result<CrossEntropyConfig> {
    let weights = &config.class_weights;
    if !weights.is_empty() && weights.len() != classes {
        return Err(TrainError::ClassWeights {
            classes,
            got: weights.len(),
        });
    }
    let values: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
    let weight = if values.is_empty() {
        None
    } else {
        Some(Tensor::from_slice(&values, values.len())?)
    };
    Ok(CrossEntropyConfig {
        weight,
        label_smoothing: config.label_smoothing,
        ..CrossEntropyConfig::default()
    })
}
