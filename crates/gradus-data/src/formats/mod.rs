//! Where samples come from: folders of images, IDX files, the embedded data set, tensors in memory.

mod embedded;
mod idx;
mod image_folder;
mod make_tree;
mod memory;
mod tree_info;

pub use embedded::{KnownDataSet, embedded, known_data_sets};
pub use idx::{IdxError, IdxSource, MAX_IDX_BYTES, open_idx_folder, parse_idx};
pub use image_folder::{BadImages, FolderConfig, ImageFolder, open_image_folder};
pub use make_tree::make_tree;
pub use memory::TensorDataset;
pub use tree_info::{SplitInfo, TreeInfo, describe, describe_tree};

use std::path::Path;

use crate::error::Result;
use crate::source::ImageSplits;

/// Opens the data set in a folder: IDX files under their usual names, else a tree of image files.
///
/// # Errors
/// Those of [`open_idx_folder`] and [`open_image_folder`].
pub fn open_folder(dir: &Path, config: &FolderConfig) -> Result<ImageSplits> {
    match open_idx_folder(dir)? {
        Some(found) => Ok(found),
        None => open_image_folder(dir, config),
    }
}
