//! An open file of PyTorch, in either form.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read, SeekFrom};
use std::path::{Path, PathBuf};

use gradus_tensor::{DType, Element, Layout, Shape, Tensor, View, bf16, f16};

use super::fault::TorchFault;
use super::flatten::flatten;
use super::legacy::{self, LegacyError, MAX_PICKLE};
use super::machine::unpickle;
use super::values::{StorageRecord, TensorRecord};
use crate::archive::Archive;
use crate::elements::{ElementFault, read_elements};
use crate::limits::{loaded_bytes, memory_limit};
use crate::{CheckpointError, FileDType, Metadata, ReadFile, Result, StateDict, WeightsInfo};

/// The entry of an archive that describes its tensors.
const PICKLE: &str = "data.pkl";

/// An open file of PyTorch with a checked description of its tensors.
pub(crate) struct TorchFile {
    path: PathBuf,
    source: Source,
    tensors: Vec<(String, TensorRecord)>,
    storages: Vec<StorageRecord>,
    metadata: Metadata,
}

/// Where the elements of storages are.
enum Source {
    /// The archive, and the folder in it.
    Zip(Box<Archive>, String),
    /// The file, and where each storage begins, by its position.
    Legacy(Box<dyn ReadFile>, BTreeMap<usize, u64>),
}

/// The folder of an archive that PyTorch wrote, such as `archive/`; none for other archives.
pub(crate) fn torch_folder(archive: &Archive) -> Option<&str> {
    let names = archive.entries().iter().map(|entry| entry.name.as_str());
    let mut folders = names.filter_map(|name| name.strip_suffix(PICKLE));
    folders.find(|folder| folder.is_empty() || folder.find('/') == Some(folder.len() - 1))
}

impl TorchFile {
    /// Opens an archive that has the folder of a file of PyTorch.
    pub(crate) fn from_archive(path: &Path, mut archive: Archive, folder: String) -> Result<Self> {
        let refuse = |fault| CheckpointError::torch(path)(fault);
        let order = read_entry(path, &mut archive, &format!("{folder}byteorder"), 16)?;
        if order.is_some_and(|order| order.starts_with(b"big")) {
            return Err(refuse(TorchFault::BigEndian));
        }
        let pickle = read_entry(path, &mut archive, &format!("{folder}{PICKLE}"), MAX_PICKLE)?;
        let unpickled = unpickle(&pickle.unwrap_or_default()).map_err(refuse)?;
        let flat = flatten(&unpickled).map_err(refuse)?;
        let len = archive.len();
        let file = Self {
            path: path.to_path_buf(),
            source: Source::Zip(Box::new(archive), folder),
            tensors: flat.tensors,
            storages: unpickled.values.storages,
            metadata: flat.metadata,
        };
        file.check(len).map_err(refuse)?;
        Ok(file)
    }

    /// Opens a file of the form before 1.6.
    pub(crate) fn from_legacy(path: &Path, mut file: Box<dyn ReadFile>) -> Result<Self> {
        let refuse = |fault| CheckpointError::torch(path)(fault);
        let io = |action| CheckpointError::io(path, action);
        let len = file.seek(SeekFrom::End(0)).map_err(io("seek in"))?;
        let legacy = legacy::read(file.as_mut(), len).map_err(|error| match error {
            LegacyError::Io(cause) => io("read")(cause),
            LegacyError::Fault(fault) => refuse(fault),
        })?;
        let flat = flatten(&legacy.content).map_err(refuse)?;
        let file = Self {
            path: path.to_path_buf(),
            source: Source::Legacy(file, legacy.begins),
            tensors: flat.tensors,
            storages: legacy.content.values.storages,
            metadata: flat.metadata,
        };
        file.check(len).map_err(refuse)?;
        Ok(file)
    }

    /// Every tensor's storage is there and as long as it should be, and all together fit the memory that a file of this
    /// length may ask for.
    fn check(&self, len: u64) -> Result<(), TorchFault> {
        for (name, record) in &self.tensors {
            let StorageRecord { key, .. } = &self.storages[record.storage];
            let missing = || TorchFault::StorageMissing {
                key: key.clone(),
                tensor: name.clone(),
            };
            let expected = self.storages[record.storage].bytes().unwrap_or(u64::MAX);
            match &self.source {
                Source::Zip(archive, folder) => {
                    let entry = archive.find(&format!("{folder}data/{key}"));
                    let got = archive.entries()[entry.ok_or_else(missing)?].size;
                    if got != expected {
                        let key = key.clone();
                        return Err(TorchFault::StorageSize { key, expected, got });
                    }
                }
                Source::Legacy(_, begins) => {
                    begins.get(&record.storage).ok_or_else(missing)?;
                }
            }
        }
        let (bytes, limit) = (self.loaded_bytes(), memory_limit(len));
        if bytes > limit {
            return Err(TorchFault::Expansion { bytes, len, limit });
        }
        Ok(())
    }

    /// The bytes that loading all tensors takes: storages that tensors share, and copies of parts and other views.
    fn loaded_bytes(&self) -> u64 {
        // The bytes of each storage as each type that it is seen as, and whether a tensor keeps it.
        let mut storages: BTreeMap<(usize, usize), (u64, bool)> = BTreeMap::new();
        let mut bytes = 0_u64;
        for (_, record) in &self.tensors {
            let (dtype, layout) = (record.dtype, &record.layout);
            let elements = self.elements(record.storage, dtype);
            let size = dtype.loads_as().map_or(8, |dtype| dtype.size() as u64);
            let whole = elements.saturating_mul(size);
            let kept =
                u64::try_from(layout.shape().numel()) == Ok(elements) && layout.is_contiguous();
            let entry = storages.entry((record.storage, dtype.rank()));
            entry.or_insert((whole, false)).1 |= kept;
            if !kept {
                bytes = bytes.saturating_add(loaded_bytes(dtype, layout.shape()));
            }
        }
        // One that no tensor keeps is held only while its parts are copied.
        let passing = storages.values().filter(|(_, kept)| !kept);
        let passing = passing.map(|(whole, _)| *whole).max().unwrap_or(0);
        let kept = storages.values().filter(|(_, kept)| *kept);
        kept.map(|(whole, _)| *whole)
            .fold(bytes.saturating_add(passing), u64::saturating_add)
    }

    /// The elements of a storage, seen as this type.
    fn elements(&self, storage: usize, dtype: FileDType) -> u64 {
        let record = &self.storages[storage];
        match record.dtype {
            Some(_) => record.numel,
            None => record.numel / (dtype.bits() / 8).max(1),
        }
    }

    pub(crate) fn tensors(&self) -> Vec<WeightsInfo> {
        let info = |(name, record): &(String, TensorRecord)| WeightsInfo {
            name: name.clone(),
            dtype: record.dtype,
            shape: *record.shape(),
        };
        self.tensors.iter().map(info).collect()
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Loads all tensors in the file's order, reading each storage once.
    pub(crate) fn load_all(&mut self) -> Result<StateDict> {
        let mut by_storage: BTreeMap<(usize, u64), Vec<usize>> = BTreeMap::new();
        for (position, (name, record)) in self.tensors.iter().enumerate() {
            let dtype = record.dtype;
            if dtype.loads_as().is_none() {
                let fault = ElementFault::UnsupportedDType { dtype };
                return Err(CheckpointError::elements(&self.path, name)(fault));
            }
            // Bytes can be seen as several types; each is read for itself.
            let key = (record.storage, u64::try_from(dtype.rank()).unwrap_or(0));
            by_storage.entry(key).or_default().push(position);
        }
        let mut loaded: Vec<Option<Tensor>> = vec![None; self.tensors.len()];
        for ((storage, _), users) in by_storage {
            let (first, TensorRecord { dtype, .. }) = &self.tensors[users[0]];
            let (first, dtype) = (first.clone(), *dtype);
            let elements = self.load_storage(storage, dtype, &first)?;
            for position in users {
                let (name, record) = &self.tensors[position];
                let tensor = seen_through(&elements, &record.layout).map_err(|cause| {
                    CheckpointError::elements(&self.path, name)(ElementFault::Tensor { cause })
                })?;
                loaded[position] = Some(tensor);
            }
        }
        let names = self.tensors.iter().map(|(name, _)| name.clone());
        let pairs = names
            .zip(loaded)
            .filter_map(|(name, tensor)| Some((name, tensor?)));
        Ok(pairs.collect())
    }

    /// All elements of a storage.
    fn load_storage(&mut self, storage: usize, dtype: FileDType, user: &str) -> Result<Tensor> {
        let refuse = CheckpointError::elements(&self.path, user);
        let record = &self.storages[storage];
        let shape = usize::try_from(self.elements(storage, dtype))
            .ok()
            .and_then(|n| Shape::new(&[n]).ok());
        // The bytes were found to be there, so the number fits; say what is wrong anyway.
        let shape = match shape {
            Some(shape) => shape,
            None => {
                let cause = std::io::ErrorKind::OutOfMemory.into();
                return Err(refuse(ElementFault::Read { cause }));
            }
        };
        match &mut self.source {
            Source::Zip(archive, folder) => {
                let entry = archive.find(&format!("{folder}data/{}", record.key));
                let reader = archive.reader(entry.unwrap_or(usize::MAX));
                let mut reader = reader.map_err(CheckpointError::archive(&self.path))?;
                // A storage of bytes need not end at a whole element.
                let whole = record.dtype.is_some();
                read_elements(dtype, &shape, &mut reader, whole).map_err(refuse)
            }
            Source::Legacy(file, begins) => {
                let begin = begins.get(&storage).copied().unwrap_or(u64::MAX);
                let io = CheckpointError::io(&self.path, "seek in");
                file.seek(SeekFrom::Start(begin)).map_err(io)?;
                read_elements(dtype, &shape, file, false).map_err(refuse)
            }
        }
    }
}

/// The bytes of an entry, at most `limit`; none if there is no such entry.
fn read_entry(
    path: &Path,
    archive: &mut Archive,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>> {
    let Some(entry) = archive.find(name) else {
        return Ok(None);
    };
    if archive.entries()[entry].size > limit {
        return Err(CheckpointError::torch(path)(TorchFault::TooMany {
            what: "bytes of pickles",
            limit,
        }));
    }
    let reader = archive.reader(entry);
    let reader = reader.map_err(CheckpointError::archive(path))?;
    let mut out = Vec::new();
    let read = BufReader::new(reader).take(limit).read_to_end(&mut out);
    read.map_err(CheckpointError::io(path, "read"))?;
    Ok(Some(out))
}

/// The elements of a storage as a tensor of this layout: shared if it takes them all in order, else copied, so that no
/// tensor keeps a storage alive that is larger than itself.
fn seen_through(storage: &Tensor, layout: &Layout) -> gradus_tensor::Result<Tensor> {
    if layout.is_contiguous() && layout.shape().numel() == storage.numel() {
        return storage.reshape(*layout.shape());
    }
    match storage.dtype() {
        DType::F32 => copied::<f32>(storage, layout),
        DType::F64 => copied::<f64>(storage, layout),
        DType::BF16 => copied::<bf16>(storage, layout),
        DType::F16 => copied::<f16>(storage, layout),
        DType::I64 => copied::<i64>(storage, layout),
        DType::U8 => copied::<u8>(storage, layout),
        DType::Bool => copied::<bool>(storage, layout),
    }
}

fn copied<T: Element>(storage: &Tensor, layout: &Layout) -> gradus_tensor::Result<Tensor> {
    let view = View::new(storage.as_slice::<T>()?, layout)?;
    Tensor::build(*layout.shape(), |out: &mut [T]| match view.as_slice() {
        Some(elements) => out.copy_from_slice(elements),
        None => {
            for (out, x) in out.iter_mut().zip(view.iter()) {
                *out = x;
            }
        }
    })
}

impl fmt::Debug for TorchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TorchFile")
            .field("path", &self.path)
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}
