//! Weights files of any known format: what they hold, and their tensors.

use std::fmt;
use std::path::Path;

use gradus_tensor::Shape;

use crate::{FileDType, FileSystem, Metadata, RealFileSystem, Result, SafeTensorsFile, StateDict};

/// A format of weights files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightsFormat {
    /// Safetensors.
    SafeTensors,
}

impl fmt::Display for WeightsFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SafeTensors => "safetensors",
        })
    }
}

/// One tensor of a weights file, as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsInfo {
    /// The name.
    pub name: String,
    /// The element type in the file.
    pub dtype: FileDType,
    /// The shape.
    pub shape: Shape,
}

/// An open weights file of any known format.
///
/// Opening reads and checks what describes the tensors and none of their elements.
///
/// ```
/// use gradus_checkpoint::{Metadata, WeightsFile, WeightsFormat, save_state_dict};
/// use gradus_tensor::Tensor;
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("model.safetensors");
/// let weights = [("fc.bias".to_owned(), Tensor::from_slice(&[0.5_f32, 1.5], [2]).unwrap())];
/// save_state_dict(&path, &weights, &Metadata::new())?;
///
/// let mut file = WeightsFile::open(&path)?;
/// assert_eq!(file.format(), WeightsFormat::SafeTensors);
/// assert_eq!(file.tensors()[0].name, "fc.bias");
/// assert_eq!(file.load_all()?[0].1.to_vec::<f32>().unwrap(), [0.5, 1.5]);
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
#[derive(Debug)]
pub struct WeightsFile {
    content: Content,
    tensors: Vec<WeightsInfo>,
}

#[derive(Debug)]
enum Content {
    SafeTensors(SafeTensorsFile),
}

impl WeightsFile {
    /// Opens a file, finds out its format and checks what describes its tensors.
    ///
    /// # Errors
    /// [`crate::CheckpointError::Io`]; the error of the format, with the rule that the file breaks.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&RealFileSystem, path.as_ref())
    }

    /// [`WeightsFile::open`] in another file system.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn open_in(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let content = Content::SafeTensors(SafeTensorsFile::open_in(fs, path)?);
        let tensors = content.describe();
        Ok(Self { content, tensors })
    }

    /// The format.
    pub fn format(&self) -> WeightsFormat {
        match self.content {
            Content::SafeTensors(_) => WeightsFormat::SafeTensors,
        }
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> &[WeightsInfo] {
        &self.tensors
    }

    /// The number of elements of all tensors together.
    pub fn parameters(&self) -> u64 {
        count_parameters(&self.tensors)
    }

    /// Strings by key that the file has beside its tensors.
    pub fn metadata(&self) -> &Metadata {
        match &self.content {
            Content::SafeTensors(file) => file.metadata(),
        }
    }

    /// Loads all tensors, in the file's order. Narrower integers are widened to i64, see [`FileDType`].
    ///
    /// # Errors
    /// - the error of the format, for a dtype that has no tensor or for elements that cannot be read
    /// - [`crate::CheckpointError::Tensor`] if memory runs out
    pub fn load_all(&mut self) -> Result<StateDict> {
        match &mut self.content {
            Content::SafeTensors(file) => file.load_all(),
        }
    }

    /// The digest of all tensors, as [`crate::weights_sha256`].
    ///
    /// # Errors
    /// As [`WeightsFile::load_all`].
    pub fn weights_sha256(&mut self) -> Result<String> {
        match &mut self.content {
            // One tensor in memory at a time.
            Content::SafeTensors(file) => file.weights_sha256(),
        }
    }
}

impl Content {
    fn describe(&self) -> Vec<WeightsInfo> {
        match self {
            Self::SafeTensors(file) => {
                let info = |info: &crate::TensorInfo| WeightsInfo {
                    name: info.name.clone(),
                    dtype: info.dtype,
                    shape: info.shape,
                };
                file.tensors().iter().map(info).collect()
            }
        }
    }
}

/// The number of elements of all tensors together, saturating.
pub(crate) fn count_parameters(tensors: &[WeightsInfo]) -> u64 {
    tensors
        .iter()
        .map(|tensor| u64::try_from(tensor.shape.numel()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}

/// Loads all tensors of a weights file of any known format, and its metadata.
///
/// # Errors
/// As [`WeightsFile::open`] and [`WeightsFile::load_all`].
pub fn load_weights_file(path: impl AsRef<Path>) -> Result<(StateDict, Metadata)> {
    let mut file = WeightsFile::open(path)?;
    let tensors = file.load_all()?;
    Ok((tensors, file.metadata().clone()))
}
