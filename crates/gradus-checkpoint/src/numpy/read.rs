//! Reading arrays: the headers at once, the elements when they are asked for.

use std::fmt;
use std::io::{BufReader, Read, SeekFrom};
use std::path::{Path, PathBuf};

use gradus_tensor::Tensor;

use super::NumpyFault;
pub(crate) use super::header::NPY_MAGIC;
use super::header::{NpyContent, NpyHeader, read_text};
use crate::archive::{Archive, ArchiveFault};
use crate::elements::{ElementFault, read_elements};
use crate::limits::{loaded_bytes, memory_limit};
use crate::{CheckpointError, FileDType, Metadata, ReadFile, Result, StateDict, WeightsInfo};

/// The extension of an archive's entries.
const NPY: &str = ".npy";

/// The name that the array of a `.npy` file gets: it has none of its own.
const ONLY: &str = "array";

/// An open `.npy` file.
pub(crate) struct NpyFile {
    path: PathBuf,
    file: Box<dyn ReadFile>,
    header: NpyHeader,
}

/// An open `.npz` file.
#[derive(Debug)]
pub(crate) struct NpzFile {
    path: PathBuf,
    archive: Archive,
    /// The entry, the tensor's name and the header of each array.
    arrays: Vec<(usize, String, NpyHeader)>,
    /// Texts that the archive holds beside numbers.
    metadata: Metadata,
}

impl NpyFile {
    pub(crate) fn open(path: &Path, mut file: Box<dyn ReadFile>) -> Result<Self> {
        let io = |action| CheckpointError::io(path, action);
        let len = file.seek(SeekFrom::End(0)).map_err(io("seek in"))?;
        file.seek(SeekFrom::Start(0)).map_err(io("seek in"))?;
        let content = NpyHeader::read(&mut BufReader::new(&mut file), len);
        match content.map_err(|fault| refused(path, None, fault))? {
            NpyContent::Tensor(header) => {
                let bytes = loaded_bytes(header.dtype, &header.shape);
                let limit = memory_limit(len);
                if bytes > limit {
                    let fault = NumpyFault::Expansion { bytes, len, limit };
                    return Err(refused(path, None, fault));
                }
                Ok(Self {
                    path: path.to_path_buf(),
                    header,
                    file,
                })
            }
            NpyContent::Text(characters) => {
                let descr = format!("<U{characters}");
                Err(refused(path, None, NumpyFault::DType { descr }))
            }
        }
    }

    pub(crate) fn tensors(&self) -> Vec<WeightsInfo> {
        vec![self.header.info(ONLY)]
    }

    pub(crate) fn load_all(&mut self) -> Result<StateDict> {
        let start = SeekFrom::Start(self.header.len);
        let io = CheckpointError::io(&self.path, "seek in");
        self.file.seek(start).map_err(io)?;
        let tensor = self.header.load(&mut self.file);
        let tensor = tensor.map_err(CheckpointError::elements(&self.path, ONLY))?;
        Ok(vec![(ONLY.to_owned(), tensor)])
    }
}

impl NpzFile {
    pub(crate) fn open(path: &Path, mut archive: Archive) -> Result<Self> {
        let mut arrays = Vec::new();
        let mut metadata = Metadata::new();
        for entry in 0..archive.entries().len() {
            let (name, size) = (
                archive.entries()[entry].name.clone(),
                archive.entries()[entry].size,
            );
            if name.ends_with('/') {
                continue; // a folder's own entry
            }
            let reader = archive.reader(entry);
            let mut reader = reader.map_err(CheckpointError::archive(path))?;
            let content = NpyHeader::read(&mut reader, size);
            let array = name.strip_suffix(NPY).unwrap_or(&name).to_owned();
            match content.map_err(|fault| refused(path, Some(&name), fault))? {
                NpyContent::Tensor(header) => arrays.push((entry, array, header)),
                NpyContent::Text(characters) => {
                    let text = read_text(&mut reader, characters);
                    let text = text.map_err(CheckpointError::io(path, "read"))?;
                    metadata.insert(array, text);
                }
            }
        }
        check_memory(&archive, &arrays).map_err(CheckpointError::archive(path))?;
        let mut names: Vec<&str> = arrays.iter().map(|(_, name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let tensor = pair[0].to_owned();
            return Err(refused(path, None, NumpyFault::DuplicateName { tensor }));
        }
        Ok(Self {
            path: path.to_path_buf(),
            archive,
            arrays,
            metadata,
        })
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(crate) fn tensors(&self) -> Vec<WeightsInfo> {
        let info = |(_, name, header): &(usize, String, NpyHeader)| header.info(name);
        self.arrays.iter().map(info).collect()
    }

    pub(crate) fn load_all(&mut self) -> Result<StateDict> {
        let mut out = StateDict::with_capacity(self.arrays.len());
        for (entry, name, header) in &self.arrays {
            let fault = CheckpointError::elements(&self.path, name);
            let reader = self.archive.reader(*entry);
            let mut reader = reader.map_err(CheckpointError::archive(&self.path))?;
            let tensor = header.skip_and_load(&mut reader).map_err(fault)?;
            out.push((name.clone(), tensor));
        }
        Ok(out)
    }
}

impl NpyHeader {
    fn info(&self, name: &str) -> WeightsInfo {
        WeightsInfo {
            name: name.to_owned(),
            dtype: self.dtype,
            shape: self.shape,
        }
    }

    /// Reads over the header, which was checked before, and takes the elements.
    fn skip_and_load(&self, from: &mut dyn Read) -> Result<Tensor, ElementFault> {
        let skipped = std::io::copy(&mut (&mut *from).take(self.len), &mut std::io::sink());
        skipped.map_err(|cause| ElementFault::Read { cause })?;
        self.load(from)
    }

    /// The elements, which come next and are the last.
    fn load(&self, from: &mut dyn Read) -> Result<Tensor, ElementFault> {
        if !self.fortran || self.shape.rank() < 2 {
            return read_elements(self.dtype, &self.shape, from, true);
        }
        let tensor = |cause| ElementFault::Tensor { cause };
        let reversed: Vec<usize> = self.shape.dims().iter().rev().copied().collect();
        let reversed = gradus_tensor::Shape::new(&reversed).map_err(tensor)?;
        let stored = read_elements(self.dtype, &reversed, from, true)?;
        // The dims from the last to the first, counted from the end.
        let order: Vec<isize> = (1..).take(self.shape.rank()).map(|i: isize| -i).collect();
        let view = stored.permute(&order).map_err(tensor)?;
        view.contiguous().map_err(tensor)
    }
}

/// Widened integers, and arrays that are held twice while they are changed, can take more than the archive unpacks to.
fn check_memory(
    archive: &Archive,
    arrays: &[(usize, String, NpyHeader)],
) -> Result<(), ArchiveFault> {
    let bytes = |header: &NpyHeader| loaded_bytes(header.dtype, &header.shape);
    let twice = |(_, _, header): &&(usize, String, NpyHeader)| {
        header.fortran || header.dtype == FileDType::Bool
    };
    let again = arrays
        .iter()
        .filter(twice)
        .map(|(_, _, header)| bytes(header));
    let all = arrays.iter().map(|(_, _, header)| bytes(header));
    let unpacked = all.fold(again.max().unwrap_or(0), u64::saturating_add);
    let (len, limit) = (archive.len(), memory_limit(archive.len()));
    if unpacked > limit {
        return Err(ArchiveFault::Expansion {
            unpacked,
            len,
            limit,
        });
    }
    Ok(())
}

fn refused(path: &Path, array: Option<&str>, fault: NumpyFault) -> CheckpointError {
    CheckpointError::Numpy {
        path: path.to_path_buf(),
        array: array.map(str::to_owned),
        fault,
    }
}

impl fmt::Debug for NpyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpyFile")
            .field("path", &self.path)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
