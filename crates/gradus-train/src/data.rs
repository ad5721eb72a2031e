//! The data of a run: opened, split, transformed.

use std::path::Path;
use std::sync::Arc;

use gradus_data::{
    BadImages, Compose, Dataset, FolderConfig, ImageDataset, ImageDatasetConfig, ImageSource,
    ImageSplits, Loader, LoaderConfig, Sampler, SkippedFile, SubsetSource, TransformSpec, Value,
    Weighted, embedded, known_data_sets, open_folder, stratified_split,
};
use gradus_models::ImageInput;

use crate::config::{ArgConfig, TrainConfig, TransformConfig};
use crate::error::{Result, TrainError};

/// One split, ready to be loaded.
#[derive(Clone)]
pub struct SplitData {
    /// `train`, `val` or `test`.
    pub name: String,
    /// The images as they are stored.
    pub source: Arc<dyn ImageSource>,
    /// The images, transformed.
    pub dataset: Arc<dyn Dataset>,
}

/// The data of a run.
#[derive(Clone)]
pub struct RunData {
    /// The data set's name.
    pub name: String,
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// What training reads, with augmentation.
    pub train: SplitData,
    /// What evaluations during training read: `val` if there is one, else `test`.
    pub eval: Option<SplitData>,
    /// What the final evaluation reads: `test` if there is one, else what `eval` is.
    pub test: Option<SplitData>,
    /// Shape and classes that the model is built for.
    pub input: ImageInput,
    /// Files that were left out.
    pub skipped: Vec<SkippedFile>,
}

impl RunData {
    /// Opens the data of a configuration.
    ///
    /// # Errors
    /// What is wrong with the data, with paths; [`TrainError::NoSplit`] without a `train` split.
    pub fn open(config: &TrainConfig) -> Result<Self> {
        let splits = open_splits(&config.data, config.skip_bad_images)?;
        let no_split = |split| TrainError::NoSplit {
            data: config.data.clone(),
            split,
            has: splits
                .splits
                .iter()
                .map(|s| s.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        };
        let mut train = Arc::clone(splits.train().ok_or_else(|| no_split("train"))?);
        let mut val = splits.split("val").cloned();
        if val.is_none() && config.val_fraction > 0.0 {
            let split = stratified_split(train.labels(), config.val_fraction, config.seed)?;
            val = Some(Arc::new(SubsetSource::new(
                Arc::clone(&train),
                split.held_out,
            )?));
            train = Arc::new(SubsetSource::new(train, split.kept)?);
        }
        let fixed = eval_specs(config)?;
        let eval_split =
            |name: &str, source: Arc<dyn ImageSource>| split_data(name, source, &fixed, config);
        let val = val.map(|source| eval_split("val", source)).transpose()?;
        let test = splits
            .test()
            .map(|source| eval_split("test", Arc::clone(source)))
            .transpose()?;
        let train = split_data("train", train, &specs(&config.transforms), config)?;
        let classes = splits.classes.clone();
        let input = input_of(&train, classes.len())?;
        let (eval, test) = (val.clone().or_else(|| test.clone()), test.or(val));
        Ok(Self {
            name: splits.name.clone(),
            classes,
            train,
            eval,
            test,
            input,
            skipped: splits.skipped,
        })
    }

    /// The loader of the training split.
    ///
    /// # Errors
    /// Options of the loader outside their domain.
    pub fn train_loader(&self, config: &TrainConfig) -> Result<Loader> {
        let dataset = Arc::clone(&self.train.dataset);
        let options = LoaderConfig {
            batch_size: config.batch_size,
            shuffle: config.shuffle,
            drop_last: config.drop_last,
            workers: config.workers,
            prefetch: config.prefetch,
            seed: config.seed,
        };
        if config.sampler == "balanced" {
            let labels = self.train.source.labels();
            let sampler: Arc<dyn Sampler> =
                Arc::new(Weighted::balanced(labels, labels.len(), config.seed)?);
            return Ok(Loader::with_sampler(
                dataset,
                sampler,
                LoaderConfig {
                    shuffle: false,
                    ..options
                },
            )?);
        }
        Ok(Loader::new(dataset, options)?)
    }
}

/// A loader that reads a split once, in order.
///
/// # Errors
/// Options of the loader outside their domain.
pub(crate) fn eval_loader(split: &SplitData, config: &TrainConfig) -> Result<Loader> {
    let options = LoaderConfig {
        batch_size: config.eval_batch_size,
        workers: config.workers,
        prefetch: config.prefetch,
        ..LoaderConfig::default()
    };
    Ok(Loader::new(Arc::clone(&split.dataset), options)?)
}

/// A data set by name or folder.
fn open_splits(data: &str, skip_bad_images: bool) -> Result<ImageSplits> {
    if known_data_sets().iter().any(|known| known.name == data) {
        return Ok(embedded(data)?);
    }
    let path = Path::new(data);
    if !path.exists() && !data.contains(std::path::MAIN_SEPARATOR) && data != "." {
        return Ok(embedded(data)?); // its error names the nearest known data set
    }
    let bad_images = if skip_bad_images {
        BadImages::Skip
    } else {
        BadImages::Fail
    };
    Ok(open_folder(
        path,
        &FolderConfig {
            bad_images,
            ..FolderConfig::default()
        },
    )?)
}

/// A split of `data` other than a run's own, for `gradus eval --data`.
///
/// # Errors
/// As [`RunData::open`]; [`TrainError::NoSplit`] with neither `test` nor `val` nor `train`.
pub(crate) fn open_eval_split(config: &TrainConfig) -> Result<(SplitData, Vec<String>)> {
    let splits = open_splits(&config.data, config.skip_bad_images)?;
    let found = ["test", "val", "train"]
        .iter()
        .find_map(|name| splits.split(name).map(|source| (*name, source)));
    let (name, source) = found.ok_or_else(|| TrainError::NoSplit {
        data: config.data.clone(),
        split: "test",
        has: splits
            .splits
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    let split = split_data(name, Arc::clone(source), &eval_specs(config)?, config)?;
    Ok((split, splits.classes.clone()))
}

fn split_data(
    name: &str,
    source: Arc<dyn ImageSource>,
    transforms: &[TransformSpec],
    config: &TrainConfig,
) -> Result<SplitData> {
    let transforms = Compose::from_specs(transforms).map_err(gradus_data::DataError::from)?;
    let options = ImageDatasetConfig {
        seed: config.seed,
        cache_bytes: config.cache_mb.saturating_mul(1 << 20),
    };
    let dataset = Arc::new(ImageDataset::new(
        Arc::clone(&source),
        transforms,
        &options,
    )?);
    Ok(SplitData {
        name: name.to_owned(),
        source,
        dataset,
    })
}

/// What the model sees, read off the first training sample.
fn input_of(train: &SplitData, classes: usize) -> Result<ImageInput> {
    let sample = train.dataset.get(0, 0)?;
    let [channels, height, width] = sample.x.shape().to_array("model input")?;
    Ok(ImageInput {
        channels,
        size: [height, width],
        classes,
    })
}

/// The transforms of evaluation: those given, or those of training without the random ones.
pub(crate) fn eval_specs(config: &TrainConfig) -> Result<Vec<TransformSpec>> {
    if !config.eval_transforms.is_empty() {
        return Ok(specs(&config.eval_transforms));
    }
    let all = specs(&config.transforms);
    let composed = Compose::from_specs(&all).map_err(gradus_data::DataError::from)?;
    let fixed = composed.steps().iter().map(|step| !step.is_random());
    Ok(all
        .into_iter()
        .zip(fixed)
        .filter(|(_, fixed)| *fixed)
        .map(|(spec, _)| spec)
        .collect())
}

fn specs(transforms: &[TransformConfig]) -> Vec<TransformSpec> {
    fn value(arg: &ArgConfig) -> Value {
        match arg {
            ArgConfig::Bool(flag) => Value::Bool(*flag),
            ArgConfig::Integer(number) => Value::Number(*number as f64),
            ArgConfig::Number(number) => Value::Number(*number),
            ArgConfig::Text(text) => Value::Text(text.clone()),
            ArgConfig::List(values) => Value::List(values.iter().map(value).collect()),
        }
    }
    let spec = |t: &TransformConfig| TransformSpec {
        name: t.name.clone(),
        args: t
            .args
            .iter()
            .map(|(name, arg)| (name.clone(), value(arg)))
            .collect(),
    };
    transforms.iter().map(spec).collect()
}
