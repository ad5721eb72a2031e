//! A source of decoded images with labels: what the formats provide and the transforms start from.

use std::sync::Arc;

use crate::error::{DataError, Result};
use crate::image::Image;

/// Images with labels in a fixed order. Pure: `image(i)` gives the same pixels each time, from any thread.
pub trait ImageSource: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes one image.
    ///
    /// # Errors
    /// [`DataError::Index`] for an index outside `0..len`; the format's own errors, with the file's path.
    fn image(&self, index: usize) -> Result<Image>;

    /// The class of each sample, `0..classes().len()`.
    fn labels(&self) -> &[i64];

    /// The names of the classes, by label.
    fn classes(&self) -> &[String];

    /// How messages call a sample, such as `train/bag/00017.png`.
    fn sample_name(&self, index: usize) -> String;
}

/// One named part of a data set.
#[derive(Clone)]
pub struct Split {
    /// `train`, `test`, `val`, or `all` for a data set without splits.
    pub name: String,
    /// Its samples.
    pub source: Arc<dyn ImageSource>,
}

impl std::fmt::Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Split({}, {} samples)", self.name, self.source.len())
    }
}

/// A data set: named splits over the same classes.
#[derive(Clone, Debug)]
pub struct ImageSplits {
    /// The name, such as `fashion-mnist-mini` or the folder's name.
    pub name: String,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// The splits, `train` first where there is one.
    pub splits: Vec<Split>,
    /// Files left out because they are no usable images, where that was asked for.
    pub skipped: Vec<SkippedFile>,
}

/// A file left out of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// The file.
    pub path: std::path::PathBuf,
    /// Why, as text.
    pub reason: String,
}

impl ImageSplits {
    /// The samples of a split.
    pub fn split(&self, name: &str) -> Option<&Arc<dyn ImageSource>> {
        self.splits
            .iter()
            .find(|split| split.name == name)
            .map(|split| &split.source)
    }

    /// What to train on: the split `train`, or everything where there are no splits.
    pub fn train(&self) -> Option<&Arc<dyn ImageSource>> {
        self.split("train").or_else(|| self.split("all"))
    }

    /// What to score on: `test`, else `val`.
    pub fn test(&self) -> Option<&Arc<dyn ImageSource>> {
        self.split("test").or_else(|| self.split("val"))
    }
}

/// Some samples of another source, in a given order: one side of a split.
pub struct SubsetSource {
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
    labels: Vec<i64>,
}

impl SubsetSource {
    /// The samples of `source` at `indices`, which may repeat.
    ///
    /// # Errors
    /// [`DataError::Index`] for an index outside the source.
    pub fn new(source: Arc<dyn ImageSource>, indices: Vec<usize>) -> Result<Self> {
        let len = source.len();
        let labels = indices
            .iter()
            .map(|&index| {
                source.labels().get(index).copied().ok_or(DataError::Index {
                    what: "subset",
                    index,
                    len,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            source,
            indices,
            labels,
        })
    }

    fn inner(&self, index: usize) -> Result<usize> {
        let len = self.indices.len();
        self.indices.get(index).copied().ok_or(DataError::Index {
            what: "subset",
            index,
            len,
        })
    }
}

impl ImageSource for SubsetSource {
    fn image(&self, index: usize) -> Result<Image> {
        self.source.image(self.inner(index)?)
    }

    fn labels(&self) -> &[i64] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn sample_name(&self, index: usize) -> String {
        self.inner(index).map_or_else(
            |_| format!("#{index}"),
            |inner| self.source.sample_name(inner),
        )
    }
}
