//! Data sets: samples as tensors, each a pure function of its index and the epoch.

use std::sync::Arc;

use gradus_random::{Rng, stream_of};
use gradus_tensor::Tensor;

use crate::cache::Cache;
use crate::error::{DataError, Result};
use crate::source::ImageSource;
use crate::transform::{Compose, Item, TransformError};

/// One example: an input and its label.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The input: f32 (C, H, W) of image data sets, i64 (T,) of token data sets.
    pub x: Tensor,
    /// The label, i64: a scalar for a class, (T,) for a target at each token, where -100 is one that losses ignore.
    pub label: Tensor,
}

impl Sample {
    /// An input and its class.
    ///
    /// # Errors
    /// [`gradus_tensor::Error::OutOfMemory`] if not even a scalar can be made.
    pub fn of_class(x: Tensor, class: i64) -> Result<Self> {
        let label = Tensor::scalar(class)?;
        Ok(Self { x, label })
    }
}

/// Samples by index.
///
/// `get(index, epoch)` must be pure: the same sample whatever thread asks, in whatever order. Augmentation may differ from epoch
/// to epoch; that is what `epoch` is for.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One sample, as it looks in this epoch.
    ///
    /// # Errors
    /// [`DataError::Index`] for an index outside `0..len`; what the format and the transforms report.
    fn get(&self, index: usize, epoch: u64) -> Result<Sample>;

    /// The names of the classes, by label; empty if they have none.
    fn classes(&self) -> &[String];

    /// How messages call a sample.
    fn sample_name(&self, index: usize) -> String {
        format!("#{index}")
    }
}

/// The options of an [`ImageDataset`].
#[derive(Clone, Debug)]
pub struct ImageDatasetConfig {
    /// The seed of random transforms; default: 0.
    pub seed: u64,
    /// Memory for images kept decoded and transformed as far as that is not random, in bytes; 0 keeps none. Default: 512 MiB.
    pub cache_bytes: usize,
}

impl Default for ImageDatasetConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            cache_bytes: 512 << 20,
        }
    }
}

/// Images with transforms: decoded, transformed, and kept as far as the transforms are not random.
///
/// Sample `i` of epoch `e` is a function of `(seed, e, i)` alone: the random numbers of its transforms are a stream of their
/// own, whatever worker reads them.
///
/// ```
/// use gradus_data::{Compose, Dataset, ImageDataset, ImageDatasetConfig, TransformSpec, embedded};
/// let data = embedded("fashion-mnist-mini")?;
/// let transforms = Compose::from_specs(&[
///     TransformSpec::new("Resize").with("size", 32.0),
///     TransformSpec::new("Grayscale").with("num_output_channels", 3.0),
///     TransformSpec::new("RandomHorizontalFlip"),
///     TransformSpec::new("ToTensor"),
/// ])?;
/// let train = ImageDataset::new(data.train().unwrap().clone(), transforms, &ImageDatasetConfig::default())?;
/// assert_eq!(train.get(0, 0)?.x.dims(), [3, 32, 32]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
pub struct ImageDataset {
    source: Arc<dyn ImageSource>,
    transforms: Compose,
    seed: u64,
    cache: Cache,
}

impl ImageDataset {
    /// The samples of `source`, transformed.
    ///
    /// # Errors
    /// [`TransformError::NoToTensor`] if the transforms end in an image.
    pub fn new(
        source: Arc<dyn ImageSource>,
        transforms: Compose,
        config: &ImageDatasetConfig,
    ) -> Result<Self> {
        if !transforms.gives_tensor() {
            return Err(TransformError::NoToTensor.into());
        }
        let cache = Cache::new(source.len(), config.cache_bytes);
        Ok(Self {
            source,
            transforms,
            seed: config.seed,
            cache,
        })
    }

    /// The images behind the samples.
    pub fn source(&self) -> &Arc<dyn ImageSource> {
        &self.source
    }

    /// The memory that kept images take at present, in bytes.
    pub fn cached_bytes(&self) -> usize {
        self.cache.used()
    }

    fn make(&self, index: usize, epoch: u64) -> Result<Tensor> {
        let mut rng = sample_rng(self.seed, epoch, index);
        let (fixed, all) = (
            self.transforms.fixed_prefix(),
            self.transforms.steps().len(),
        );
        let item = self.cache.get_or_make(index, || {
            let image = Item::Image(self.source.image(index)?);
            self.transforms
                .apply_range(image, 0..fixed, &mut rng.clone())
        })?;
        match self.transforms.apply_range(item, fixed..all, &mut rng)? {
            Item::Tensor(x) => Ok(x),
            Item::Image(_) => Err(TransformError::NoToTensor.into()),
        }
    }
}

/// The random numbers of one sample in one epoch.
fn sample_rng(seed: u64, epoch: u64, index: usize) -> Rng {
    Rng::new(seed, epoch_stream("transform", epoch), index as u64)
}

/// The stream of a role in an epoch. An odd factor makes those of any two epochs differ.
pub(crate) fn epoch_stream(role: &str, epoch: u64) -> u64 {
    stream_of(role).wrapping_add(epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Dataset for ImageDataset {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn get(&self, index: usize, epoch: u64) -> Result<Sample> {
        let len = self.source.len();
        let label = *self.source.labels().get(index).ok_or(DataError::Index {
            what: "data set",
            index,
            len,
        })?;
        let x = self
            .make(index, epoch)
            .map_err(|error| error.in_sample(self.source.sample_name(index)))?;
        Sample::of_class(x, label)
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn sample_name(&self, index: usize) -> String {
        self.source.sample_name(index)
    }
}

/// Some samples of another data set, in a given order.
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Subset {
    /// The samples of `dataset` at `indices`, which may repeat. Augmentation follows the sample's index in `dataset`.
    ///
    /// # Errors
    /// [`DataError::Index`] for an index outside the data set.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self> {
        let len = dataset.len();
        match indices.iter().copied().find(|&index| index >= len) {
            Some(index) => Err(DataError::Index {
                what: "subset",
                index,
                len,
            }),
            None => Ok(Self { dataset, indices }),
        }
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize, epoch: u64) -> Result<Sample> {
        let len = self.indices.len();
        let inner = *self.indices.get(index).ok_or(DataError::Index {
            what: "subset",
            index,
            len,
        })?;
        self.dataset.get(inner, epoch)
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn sample_name(&self, index: usize) -> String {
        self.indices.get(index).map_or_else(
            || format!("#{index}"),
            |&inner| self.dataset.sample_name(inner),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::TransformSpec;

    #[test]
    fn streams_differ_by_seed_epoch_and_sample() {
        let first = |seed, epoch, index| sample_rng(seed, epoch, index).next_u64();
        let mut words: Vec<u64> = (0..4)
            .flat_map(|seed| {
                (0..20).flat_map(move |epoch| (0..50).map(move |index| first(seed, epoch, index)))
            })
            .collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 4 * 20 * 50);
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
    }

    #[test]
    fn a_chain_without_to_tensor_is_refused() {
        let source = crate::embedded("fashion-mnist-mini")
            .unwrap()
            .test()
            .unwrap()
            .clone();
        let chain = Compose::from_specs(&[TransformSpec::new("RandomHorizontalFlip")]).unwrap();
        let refused = ImageDataset::new(source, chain, &ImageDatasetConfig::default());
        assert!(matches!(
            refused,
            Err(DataError::Transform(TransformError::NoToTensor))
        ));
    }
}
