//! Data sets, transforms, samplers and a loader with a fixed order for any number of workers.
//!
//! Files become images ([`ImageSource`]), images become samples ([`Dataset`], by way of [`Compose`]d transforms), samples become
//! batches ([`Loader`]). Sample `i` of epoch `e` is a function of `(seed, e, i)`: neither workers nor caches change a bit. Names, parameters
//! and arithmetic of the transforms are torchvision's on PIL images.
//!
//! Texts are samples of token ids ([`TokenizedTexts`]), windows of a long sequence ([`TokenWindows`] over a [`TokenFile`]) or texts with tokens to guess
//! ([`MaskedTokens`]); samples of different lengths are padded ([`Collate::Pad`]) in batches of like length ([`LengthBuckets`]).
//!
//! This crate reads untrusted files: every count is compared with the bytes present before anything is allocated, and every
//! error names the file. It knows no gradient and no model.
//!
//! ```
//! use std::sync::Arc;
//! use gradus_data::{Compose, ImageDataset, ImageDatasetConfig, Loader, LoaderConfig, TransformSpec, embedded};
//!
//! let data = embedded("fashion-mnist-mini")?;
//! let transforms = Compose::from_specs(&[
//!     TransformSpec::new("Resize").with("size", 32.0),
//!     TransformSpec::new("RandomCrop").with("size", 32.0).with("padding", 4.0),
//!     TransformSpec::new("Grayscale").with("num_output_channels", 3.0),
//!     TransformSpec::new("ToTensor"),
//!     TransformSpec::new("Normalize").with("mean", [0.286]).with("std", [0.353]),
//! ])?;
//! let train = ImageDataset::new(data.train().unwrap().clone(), transforms, &ImageDatasetConfig::default())?;
//! let config = LoaderConfig { batch_size: 64, shuffle: true, workers: 2, seed: 42, ..Default::default() };
//! let loader = Loader::new(Arc::new(train), config)?;
//! assert_eq!(loader.len(), 79);
//! let batch = loader.epoch(0).next().unwrap()?;
//! assert_eq!((batch.x.dims(), batch.labels.dims()), (&[64, 3, 32, 32][..], &[64][..]));
//! # Ok::<(), gradus_data::DataError>(())
//! ```
#![forbid(unsafe_code)]

mod cache;
mod collate;
mod dataset;
mod error;
mod formats;
mod image;
mod loader;
mod nearest;
mod parallel;
mod sampler;
mod source;
mod split;
mod statistics;
mod text;
mod transform;

pub use collate::{Batch, Collate, collate};
pub use dataset::{Dataset, ImageDataset, ImageDatasetConfig, Sample, Subset};
pub use error::{DataError, FolderProblem, Result};
pub use formats::{
    BadImages, FolderConfig, IdxError, IdxSource, ImageFolder, KnownDataSet, MAX_IDX_BYTES,
    SplitInfo, TensorDataset, TreeInfo, describe, describe_tree, embedded, known_data_sets,
    make_tree, open_folder, open_idx_folder, open_image_folder, parse_idx,
};
pub use image::{ColorMode, Image, ImageError, MAX_DECODED_BYTES, MAX_SIDE, read_size};
pub use loader::{Epoch, Loader, LoaderConfig};
pub use nearest::{edit_distance, nearest};
pub use sampler::{Sampler, Sequential, Shuffled, Weighted};
pub use source::{ImageSource, ImageSplits, SkippedFile, Split, SubsetSource};
pub use split::{StratifiedSplit, stratified_split};
pub use statistics::{ChannelStatistics, image_statistics, tensor_statistics};
pub use text::{
    IGNORED, LabelledTexts, LengthBuckets, MaskConfig, MaskedTokens, MemoryTokens, TaggedTexts,
    TaggedTextsConfig, TextColumns, TextLines, TextProblem, TokenFile, TokenFileProblem,
    TokenFileWriter, TokenSlice, TokenSource, TokenWindows, TokenizedTexts, align_labels,
    split_tokens,
};
pub use transform::*;
