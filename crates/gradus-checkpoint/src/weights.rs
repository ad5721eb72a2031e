//! Weights files of any known format: what they hold, and their tensors.

use std::fmt;
use std::io::{Read, SeekFrom};
use std::path::Path;

use gradus_tensor::Shape;

use crate::archive::Archive;
use crate::numpy::{NPY_MAGIC, NpyFile, NpzFile};
use crate::safetensors::MAX_HEADER_BYTES;
use crate::torch::{TorchFile, torch_folder};
use crate::{
    CheckpointError, FileDType, FileSystem, Metadata, RealFileSystem, Result, SafeTensorsFile,
    StateDict, TensorInfo,
};

/// A format of weights files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightsFormat {
    /// Safetensors.
    SafeTensors,
    /// NumPy's archive of arrays, `.npz`. A text in it becomes metadata.
    Npz,
    /// One array of NumPy, `.npy`. Its tensor is called `array`.
    Npy,
    /// PyTorch's `.pt`, `.pth` and `.bin`, of either form. A tensor alone is called `tensor`.
    PyTorch,
}

impl fmt::Display for WeightsFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SafeTensors => "safetensors",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::PyTorch => "pytorch",
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
/// Opening reads and checks what describes the tensors and none of their elements. The content decides what a file is,
/// not its name: `.bin` and `.pt` say little. Containers in a file of PyTorch are flattened, the keys on the way joined by
/// dots, and scalars in them become metadata; [`crate::strip_prefix`] takes the weights out of a training checkpoint.
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
    metadata: Metadata,
}

#[derive(Debug)]
enum Content {
    SafeTensors(SafeTensorsFile),
    Npz(NpzFile),
    Npy(NpyFile),
    PyTorch(TorchFile),
}

/// What the first bytes of a file, or its name, say about its format.
enum Kind {
    SafeTensors,
    Zip,
    Npy,
    Pickle,
}

impl Kind {
    /// The first bytes decide; those of a file that is too damaged for it leave it to the extension.
    fn of(start: &[u8], path: &Path) -> Option<Self> {
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Some(Self::Zip);
        }
        if start.starts_with(NPY_MAGIC) {
            return Some(Self::Npy);
        }
        if let Some((len, [b'{', ..])) = start.split_first_chunk::<8>()
            && u64::from_le_bytes(*len) <= MAX_HEADER_BYTES
        {
            return Some(Self::SafeTensors);
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Some(Self::SafeTensors),
            Some("npz") => Some(Self::Zip),
            Some("npy") => Some(Self::Npy),
            Some("pt" | "pth" | "bin" | "ckpt" | "pkl") => Some(Self::Pickle),
            // A pickle of version 2 or newer.
            _ if matches!(start, [0x80, 2..=5, ..]) => Some(Self::Pickle),
            _ => None,
        }
    }
}

impl WeightsFile {
    /// Opens a file, finds out its format and checks what describes its tensors.
    ///
    /// # Errors
    /// - [`CheckpointError::Io`]
    /// - [`CheckpointError::UnknownFormat`]
    /// - the error of the format, with the rule that the file breaks: [`CheckpointError::Format`],
    ///   [`CheckpointError::Archive`], [`CheckpointError::Numpy`] or [`CheckpointError::Torch`]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&RealFileSystem, path.as_ref())
    }

    /// [`WeightsFile::open`] in another file system.
    ///
    /// # Errors
    /// As [`WeightsFile::open`].
    pub fn open_in(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let io = |action| CheckpointError::io(path, action);
        let mut file = fs.open(path).map_err(io("open"))?;
        let mut start = Vec::new();
        file.by_ref()
            .take(16)
            .read_to_end(&mut start)
            .map_err(io("read"))?;
        file.seek(SeekFrom::Start(0)).map_err(io("seek in"))?;
        let unknown = || CheckpointError::UnknownFormat {
            path: path.to_path_buf(),
        };
        let content = match Kind::of(&start, path).ok_or_else(unknown)? {
            Kind::SafeTensors => Content::SafeTensors(SafeTensorsFile::from_reader(path, file)?),
            Kind::Npy => Content::Npy(NpyFile::open(path, file)?),
            Kind::Pickle => Content::PyTorch(TorchFile::from_legacy(path, file)?),
            Kind::Zip => {
                let archive = Archive::open(file).map_err(CheckpointError::archive(path))?;
                let folder = torch_folder(&archive).map(str::to_owned);
                let npz = archive.entries().iter().all(|e| e.name.ends_with(".npy"));
                match folder {
                    Some(folder) => {
                        Content::PyTorch(TorchFile::from_archive(path, archive, folder)?)
                    }
                    None if npz => Content::Npz(NpzFile::open(path, archive)?),
                    None => return Err(unknown()),
                }
            }
        };
        Ok(Self {
            tensors: content.describe(),
            metadata: content.metadata(),
            content,
        })
    }

    /// The format.
    pub fn format(&self) -> WeightsFormat {
        match self.content {
            Content::SafeTensors(_) => WeightsFormat::SafeTensors,
            Content::Npz(_) => WeightsFormat::Npz,
            Content::Npy(_) => WeightsFormat::Npy,
            Content::PyTorch(_) => WeightsFormat::PyTorch,
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
        &self.metadata
    }

    /// Loads all tensors, in the file's order. Narrower integers are widened to i64, see [`FileDType`].
    ///
    /// # Errors
    /// - [`CheckpointError::Format`] or [`CheckpointError::Elements`], for a dtype that has no tensor or for elements
    ///   that cannot be read
    /// - [`CheckpointError::Tensor`] if memory runs out
    pub fn load_all(&mut self) -> Result<StateDict> {
        match &mut self.content {
            Content::SafeTensors(file) => file.load_all(),
            Content::Npz(file) => file.load_all(),
            Content::Npy(file) => file.load_all(),
            Content::PyTorch(file) => file.load_all(),
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
            _ => Ok(crate::weights_sha256(&self.load_all()?)),
        }
    }
}

impl Content {
    fn describe(&self) -> Vec<WeightsInfo> {
        match self {
            Self::SafeTensors(file) => {
                let info = |info: &TensorInfo| WeightsInfo {
                    name: info.name.clone(),
                    dtype: info.dtype,
                    shape: info.shape,
                };
                file.tensors().iter().map(info).collect()
            }
            Self::Npz(file) => file.tensors(),
            Self::Npy(file) => file.tensors(),
            Self::PyTorch(file) => file.tensors(),
        }
    }

    fn metadata(&self) -> Metadata {
        match self {
            Self::SafeTensors(file) => file.metadata().clone(),
            Self::Npz(file) => file.metadata().clone(),
            Self::Npy(_) => Metadata::new(),
            Self::PyTorch(file) => file.metadata().clone(),
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
