//! What a data set holds: counts, sizes, channels and statistics, for `gradus data info`.

use std::path::Path;

use crate::error::Result;
use crate::formats::{FolderConfig, open_folder};
use crate::source::{ImageSplits, SkippedFile, Split};
use crate::statistics::{ChannelStatistics, ImageSummary, combine, summarise};

/// A description of a data set.
#[derive(Clone, Debug)]
pub struct TreeInfo {
    /// The name of the data set or folder.
    pub name: String,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// The splits in order.
    pub splits: Vec<SplitInfo>,
    /// Least and largest height, in pixels.
    pub height: [usize; 2],
    /// Least and largest width, in pixels.
    pub width: [usize; 2],
    /// The number of grey images.
    pub grey: usize,
    /// The number of RGB images.
    pub rgb: usize,
    /// Mean and standard deviation of the first split (`train` where there is one), in units of 0..=1.
    pub statistics: ChannelStatistics,
    /// Files left out because they are no usable images.
    pub skipped: Vec<SkippedFile>,
}

/// The samples of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitInfo {
    /// Its name.
    pub name: String,
    /// The number of samples.
    pub samples: usize,
    /// The number of samples of each class.
    pub per_class: Vec<usize>,
}

/// Describes the data set in a folder. Decodes every image.
///
/// # Errors
/// Those of [`open_folder`]; the first image that cannot be decoded.
pub fn describe_tree(dir: &Path, config: &FolderConfig) -> Result<TreeInfo> {
    describe(&open_folder(dir, config)?)
}

/// Describes a data set that is open. Decodes every image.
///
/// # Errors
/// The first image that cannot be decoded.
pub fn describe(data: &ImageSplits) -> Result<TreeInfo> {
    let mut all: Vec<ImageSummary> = Vec::new();
    let mut statistics = None;
    for split in &data.splits {
        let summaries = summarise(&*split.source)?;
        statistics.get_or_insert_with(|| combine(&summaries));
        all.extend(summaries);
    }
    let bounds = |side: fn(&ImageSummary) -> usize| {
        let low = all.iter().map(side).min().unwrap_or(0);
        [low, all.iter().map(side).max().unwrap_or(0)]
    };
    let rgb = all.iter().filter(|image| image.channels == 3).count();
    Ok(TreeInfo {
        name: data.name.clone(),
        classes: data.classes.clone(),
        splits: data
            .splits
            .iter()
            .map(|split| count(split, data.classes.len()))
            .collect(),
        height: bounds(|image| image.height),
        width: bounds(|image| image.width),
        grey: all.len() - rgb,
        rgb,
        statistics: statistics.unwrap_or_else(|| combine(&[])),
        skipped: data.skipped.clone(),
    })
}

fn count(split: &Split, classes: usize) -> SplitInfo {
    let mut per_class = vec![0; classes];
    for &label in split.source.labels() {
        if let Some(count) = usize::try_from(label)
            .ok()
            .and_then(|label| per_class.get_mut(label))
        {
            *count += 1;
        }
    }
    SplitInfo {
        name: split.name.clone(),
        samples: split.source.len(),
        per_class,
    }
}
