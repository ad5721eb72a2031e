//! The data sets inside the library: fashion-mnist-mini, presented exactly as the image tree that [`crate::make_tree`] writes from it.
//!
//! Samples are sorted by class name, then by their number in the original file, which is also the name of the file in the tree.
//! So training on either gives the same bits.

use std::path::Path;
use std::sync::Arc;

use crate::error::{DataError, Result};
use crate::formats::IdxSource;
use crate::image::Image;
use crate::nearest::nearest;
use crate::source::{ImageSource, ImageSplits, Split};

/// A data set that is embedded in the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDataSet {
    /// The name that [`embedded`] and [`crate::make_tree`] take.
    pub name: &'static str,
    /// One line about it.
    pub description: &'static str,
    /// Its licence.
    pub license: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Number of classes.
    pub classes: usize,
    /// Name and number of samples of each split.
    pub splits: &'static [(&'static str, usize)],
}

const FASHION_MNIST_MINI: KnownDataSet = KnownDataSet {
    name: "fashion-mnist-mini",
    description: "articles of clothing, 28×28 grey, 10 classes: the first part of Fashion-MNIST",
    license: "MIT",
    source: "https://github.com/zalandoresearch/fashion-mnist",
    classes: 10,
    splits: &[("train", 5000), ("test", 1000)],
};

/// The class names by the label of the original files, in the form of folder names.
const FASHION_CLASSES: [&str; 10] = [
    "t-shirt-top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
];

/// An embedded file, with its name for messages.
type Asset = (&'static str, &'static [u8]);

const TRAIN: [Asset; 2] = [
    (
        "train-images-idx3-ubyte.gz",
        include_bytes!("../../assets/fashion-mnist-mini/train-images-idx3-ubyte.gz"),
    ),
    (
        "train-labels-idx1-ubyte.gz",
        include_bytes!("../../assets/fashion-mnist-mini/train-labels-idx1-ubyte.gz"),
    ),
];

const TEST: [Asset; 2] = [
    (
        "t10k-images-idx3-ubyte.gz",
        include_bytes!("../../assets/fashion-mnist-mini/t10k-images-idx3-ubyte.gz"),
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        include_bytes!("../../assets/fashion-mnist-mini/t10k-labels-idx1-ubyte.gz"),
    ),
];

/// The data sets that need no download.
pub fn known_data_sets() -> &'static [KnownDataSet] {
    &[FASHION_MNIST_MINI]
}

/// An embedded data set by name, unpacked into memory (4.7 MB for fashion-mnist-mini).
///
/// ```
/// let data = gradus_data::embedded("fashion-mnist-mini")?;
/// assert_eq!(data.classes[0], "ankle-boot");
/// assert_eq!(data.train().unwrap().len(), 5000);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::UnknownDataSet`] with the nearest known name.
pub fn embedded(name: &str) -> Result<ImageSplits> {
    if name != FASHION_MNIST_MINI.name {
        let nearest =
            nearest(name, known_data_sets().iter().map(|set| set.name)).map(str::to_owned);
        return Err(DataError::UnknownDataSet {
            name: name.to_owned(),
            nearest,
        });
    }
    let mut classes = FASHION_CLASSES.map(str::to_owned).to_vec();
    classes.sort();
    let splits = [("train", TRAIN), ("test", TEST)]
        .into_iter()
        .map(|(name, files)| {
            let source: Arc<dyn ImageSource> = Arc::new(SortedSource::new(name, files, &classes)?);
            Ok(Split {
                name: name.to_owned(),
                source,
            })
        })
        .collect::<Result<_>>()?;
    Ok(ImageSplits {
        name: name.to_owned(),
        classes,
        splits,
        skipped: vec![],
    })
}

/// IDX images in the order of the tree: by class name, then by number in the file.
struct SortedSource {
    split: &'static str,
    idx: IdxSource,
    classes: Vec<String>,
    /// Position in the original file.
    order: Vec<usize>,
    labels: Vec<i64>,
}

impl SortedSource {
    fn new(split: &'static str, [images, labels]: [Asset; 2], classes: &[String]) -> Result<Self> {
        let names = FASHION_CLASSES.map(str::to_owned);
        let idx = IdxSource::from_bytes(
            (Path::new(images.0), images.1),
            (Path::new(labels.0), labels.1),
            Some(&names),
        )?;
        let mut order = Vec::with_capacity(idx.len());
        let mut sorted_labels = Vec::with_capacity(idx.len());
        for (new, class) in (0_i64..).zip(classes) {
            for (position, &old) in idx.labels().iter().enumerate() {
                if usize::try_from(old).is_ok_and(|old| names.get(old) == Some(class)) {
                    order.push(position);
                    sorted_labels.push(new);
                }
            }
        }
        Ok(Self {
            split,
            idx,
            classes: classes.to_vec(),
            order,
            labels: sorted_labels,
        })
    }
}

impl ImageSource for SortedSource {
    fn image(&self, index: usize) -> Result<Image> {
        let len = self.order.len();
        let position = *self.order.get(index).ok_or(DataError::Index {
            what: "embedded",
            index,
            len,
        })?;
        self.idx.image(position)
    }

    fn labels(&self) -> &[i64] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The path that the sample's file has in the tree.
    fn sample_name(&self, index: usize) -> String {
        let class = self
            .labels
            .get(index)
            .and_then(|&label| self.classes.get(usize::try_from(label).ok()?));
        match (self.order.get(index), class) {
            (Some(position), Some(class)) => format!("{}/{class}/{position:05}.png", self.split),
            _ => format!("{}#{index}", self.split),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_order_are_those_of_the_tree() {
        let data = embedded("fashion-mnist-mini").unwrap();
        for (known, split) in FASHION_MNIST_MINI.splits.iter().zip(&data.splits) {
            assert_eq!(
                (known.0, known.1),
                (split.name.as_str(), split.source.len())
            );
            let names: Vec<String> = (0..split.source.len())
                .map(|i| split.source.sample_name(i))
                .collect();
            assert!(
                names.is_sorted(),
                "samples are sorted by class and file name"
            );
            assert!(split.source.labels().is_sorted());
            let per_class = split.source.len() / 10;
            assert!(
                (0..10).all(
                    |c| split.source.labels().iter().filter(|&&l| l == c).count() == per_class
                )
            );
        }
        assert!(data.classes.is_sorted());
        assert_eq!(data.classes.len(), FASHION_MNIST_MINI.classes);
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest() {
        let error = embedded("fashion_mnist_mini").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"no data set is called "fashion_mnist_mini"; did you mean "fashion-mnist-mini"?"#
        );
    }
}
