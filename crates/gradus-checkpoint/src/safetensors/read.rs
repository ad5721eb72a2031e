//! Reading a safetensors file: the header at once, each tensor when it is asked for.

use std::fmt;
use std::io::{Read, SeekFrom};
use std::path::{Path, PathBuf};

use gradus_tensor::Tensor;

use super::bytes::{DecodeError, decode};
use super::header::{Header, MAX_HEADER_BYTES, TensorInfo};
use super::{FileDType, FormatFault};
use crate::digest::WeightsHasher;
use crate::keys::nearest;
use crate::limits::{loaded_bytes, memory_limit};
use crate::{CheckpointError, FileSystem, Metadata, ReadFile, RealFileSystem, Result, StateDict};

/// An open safetensors file with a checked header.
///
/// Opening reads the header only, so listing a file of any size is cheap. Loading reads one tensor at a time. What was
/// checked on opening stays true as long as nobody writes into the file; if somebody does, loading fails or gives the
/// bytes that are there, and never reads out of bounds.
///
/// ```
/// use gradus_checkpoint::{Metadata, SafeTensorsFile, save_state_dict};
/// use gradus_tensor::Tensor;
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("model.safetensors");
/// let weights = [("fc.bias".to_owned(), Tensor::from_slice(&[0.5_f32, 1.5], [2]).unwrap())];
/// save_state_dict(&path, &weights, &Metadata::new())?;
///
/// let mut file = SafeTensorsFile::open(&path)?;
/// assert_eq!(file.tensors()[0].name, "fc.bias");
/// assert_eq!(file.parameters(), 2);
/// assert_eq!(file.load("fc.bias")?.to_vec::<f32>().unwrap(), [0.5, 1.5]);
/// assert!(file.load("fc.bios").unwrap_err().to_string().ends_with(r#"did you mean "fc.bias"?"#));
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
pub struct SafeTensorsFile {
    path: PathBuf,
    file: Box<dyn ReadFile>,
    /// Where the header ends and the data begin.
    data_start: u64,
    header: Header,
}

impl SafeTensorsFile {
    /// Opens a file and checks its header, by every rule of the format.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; [`CheckpointError::Format`] with the rule that the file breaks.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&RealFileSystem, path.as_ref())
    }

    /// [`SafeTensorsFile::open`] in another file system.
    ///
    /// # Errors
    /// As [`SafeTensorsFile::open`].
    pub fn open_in(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).map_err(CheckpointError::io(path, "open"))?;
        Self::from_reader(path, file)
    }

    /// Reads from something already open; `path` is for messages only.
    ///
    /// # Errors
    /// As [`SafeTensorsFile::open`].
    pub fn from_reader(path: &Path, mut file: Box<dyn ReadFile>) -> Result<Self> {
        let io = |action| CheckpointError::io(path, action);
        let refuse = |fault| CheckpointError::format(path)(fault);
        let len = file.seek(SeekFrom::End(0)).map_err(io("seek in"))?;
        let Some(available) = len.checked_sub(8) else {
            return Err(refuse(FormatFault::TooShort { len }));
        };
        file.seek(SeekFrom::Start(0)).map_err(io("seek in"))?;
        let mut prefix = [0; 8];
        file.read_exact(&mut prefix)
            .map_err(io("read the header of"))?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER_BYTES {
            return Err(refuse(FormatFault::HeaderTooLarge { header }));
        }
        if header > available {
            return Err(refuse(FormatFault::HeaderTruncated { header, available }));
        }
        let mut text = Vec::new();
        let read = file.by_ref().take(header).read_to_end(&mut text);
        read.map_err(io("read the header of"))?;
        let available_now = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if available_now < header {
            return Err(refuse(FormatFault::HeaderTruncated {
                header,
                available: available_now,
            }));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            data_start: 8 + header,
            header: Header::parse(&text, available - header).map_err(refuse)?,
        })
    }

    /// The path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors, in the order of their bytes in the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    /// The metadata: strings by key.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensor of that name, if the file has it.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.find(name)
    }

    /// The number of elements of all tensors together.
    pub fn parameters(&self) -> u64 {
        let count = |tensor: &TensorInfo| u64::try_from(tensor.shape.numel()).unwrap_or(u64::MAX);
        // Every element takes 4 bits of a file at least, so the sum cannot overflow; saturate anyway.
        self.tensors()
            .iter()
            .map(count)
            .fold(0, u64::saturating_add)
    }

    /// Loads one tensor. Narrower integers are widened to i64, see [`FileDType`].
    ///
    /// # Errors
    /// - [`CheckpointError::NoSuchTensor`] with the nearest name
    /// - [`CheckpointError::Format`] for a dtype that has no tensor, a bool that is neither 0 nor 1, a file cut meanwhile
    /// - [`CheckpointError::Tensor`] if memory runs out
    pub fn load(&mut self, name: &str) -> Result<Tensor> {
        let Some(info) = self.header.find(name).cloned() else {
            let names = self.tensors().iter().map(|tensor| tensor.name.as_str());
            return Err(CheckpointError::NoSuchTensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
                nearest: nearest(name, names).map(str::to_owned),
            });
        };
        self.load_info(&info)
    }

    /// Loads all tensors, in the order of their bytes in the file.
    ///
    /// # Errors
    /// As [`SafeTensorsFile::load`]. A dtype that has no tensor is refused before anything is read.
    pub fn load_all(&mut self) -> Result<StateDict> {
        if let Some(info) = self.tensors().iter().find(|t| t.dtype.loads_as().is_none()) {
            return Err(self.refused(info, DecodeError::Unsupported));
        }
        self.check_memory(self.tensors())?;
        let infos = self.tensors().to_vec();
        let mut out = StateDict::with_capacity(infos.len());
        for info in infos {
            let tensor = self.load_info(&info)?;
            out.push((info.name, tensor));
        }
        Ok(out)
    }

    /// The digest of all tensors, as [`crate::weights_sha256`], holding one tensor in memory at a time.
    ///
    /// # Errors
    /// As [`SafeTensorsFile::load`].
    pub fn weights_sha256(&mut self) -> Result<String> {
        let infos: Vec<TensorInfo> = self.header.by_name().cloned().collect();
        let mut hasher = WeightsHasher::default();
        for info in &infos {
            hasher.update(&info.name, &self.load_info(info)?);
        }
        Ok(hasher.finish())
    }

    /// These tensors, held at once, fit the memory that a file of this length may ask for.
    fn check_memory(&self, infos: &[TensorInfo]) -> Result<()> {
        let bytes = |info: &TensorInfo| loaded_bytes(info.dtype, &info.shape);
        let bytes = infos.iter().map(bytes).fold(0, u64::saturating_add);
        let end = self.tensors().last().map_or(0, |info| info.end);
        let len = self.data_start.saturating_add(end);
        let limit = memory_limit(len);
        if bytes > limit {
            let fault = FormatFault::Expansion { bytes, len, limit };
            return Err(CheckpointError::format(&self.path)(fault));
        }
        Ok(())
    }

    fn load_info(&mut self, info: &TensorInfo) -> Result<Tensor> {
        self.check_memory(std::slice::from_ref(info))?;
        let start = SeekFrom::Start(self.data_start + info.begin);
        let result = match self.file.seek(start) {
            Ok(_) => decode(info.dtype, &info.shape, &mut self.file),
            Err(cause) => Err(DecodeError::Io(cause)),
        };
        result.map_err(|error| self.refused(info, error))
    }

    /// The error with the file and the tensor in it.
    fn refused(&self, info: &TensorInfo, error: DecodeError) -> CheckpointError {
        let path = self.path.clone();
        let tensor = info.name.clone();
        let dtype = info.dtype;
        let fault = match error {
            DecodeError::Tensor(cause) => {
                return CheckpointError::Tensor {
                    path,
                    tensor,
                    cause,
                };
            }
            DecodeError::Io(cause) => FormatFault::Data { tensor, cause },
            DecodeError::Unsupported => FormatFault::UnsupportedDType { tensor, dtype },
            DecodeError::Bool { position, byte } => FormatFault::BoolByte {
                tensor,
                position,
                byte,
            },
        };
        CheckpointError::Format { path, fault }
    }
}

impl TensorInfo {
    /// Whether loading changes the dtype, and from which: narrower integers become i64.
    pub fn widened_from(&self) -> Option<FileDType> {
        let loaded = FileDType::from(self.dtype.loads_as()?);
        (loaded != self.dtype).then_some(self.dtype)
    }
}

impl fmt::Debug for SafeTensorsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafeTensorsFile")
            .field("path", &self.path)
            .field("tensors", &self.tensors().len())
            .finish_non_exhaustive()
    }
}
