//! Zip archives, as `.npz` and PyTorch's files are: entries by name, none larger than the archive may unpack to.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read, SeekFrom};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::error::Quoted;
use crate::limits::memory_limit;
use crate::safetensors::MAX_TENSORS;
use crate::{ReadFile, Result};

/// What is wrong with a zip archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// The archive, or an entry of it, cannot be read.
    #[error("is not a zip archive that can be read: {cause}")]
    Zip {
        /// What the zip reader says.
        cause: ZipError,
    },
    /// An entry cannot be read.
    #[error("entry {}: cannot be read: {cause}", Quoted(entry))]
    Entry {
        /// The entry.
        entry: String,
        /// What the zip reader says.
        cause: ZipError,
    },
    /// The name of an entry is not UTF-8.
    #[error("the name of entry {position} is not UTF-8")]
    Name {
        /// The number of the entry, from 0.
        position: usize,
    },
    /// Two entries have one name.
    #[error("two entries have the same name")]
    DuplicateName,
    /// More entries than any model has tensors.
    #[error("has {entries} entries, at most {MAX_TENSORS} are read")]
    TooManyEntries {
        /// Their number.
        entries: usize,
    },
    /// Entries share bytes, as in archives made to unpack without end.
    #[error("its entries take {packed} bytes, but the file has {len}: they overlap")]
    Overlap {
        /// The packed bytes of all entries.
        packed: u64,
        /// The file's length.
        len: u64,
    },
    /// The entries unpack to far more than weights do.
    #[error(
        "unpacks from {len} to {unpacked} bytes; no more than {limit} are accepted, so that a small file cannot exhaust memory; \
         save the arrays without packing, as numpy.savez does"
    )]
    Expansion {
        /// The bytes of all entries.
        unpacked: u64,
        /// The file's length.
        len: u64,
        /// The most that are accepted.
        limit: u64,
    },
}

/// One entry of an archive.
pub(crate) struct ArchiveEntry {
    pub(crate) name: String,
    /// Its unpacked length, as the archive states it; reading may give less, never more.
    pub(crate) size: u64,
}

/// An open archive with a checked directory.
pub(crate) struct Archive {
    zip: ZipArchive<BufReader<Box<dyn ReadFile>>>,
    entries: Vec<ArchiveEntry>,
    by_name: BTreeMap<String, usize>,
    len: u64,
}

impl Archive {
    pub(crate) fn open(mut file: Box<dyn ReadFile>) -> Result<Self, ArchiveFault> {
        let refuse = |cause| ArchiveFault::Zip { cause };
        let len = file.seek(SeekFrom::End(0)).map_err(|e| refuse(e.into()))?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(refuse)?;
        if zip.len() > MAX_TENSORS {
            let entries = zip.len();
            return Err(ArchiveFault::TooManyEntries { entries });
        }
        if zip.has_duplicate_names() {
            return Err(ArchiveFault::DuplicateName);
        }
        let (mut packed, mut unpacked) = (0_u64, 0_u64);
        let mut entries = Vec::with_capacity(zip.len());
        for position in 0..zip.len() {
            let entry = zip.by_index_data(position).map_err(refuse)?;
            let name = entry.name().map(Cow::into_owned);
            packed = packed.saturating_add(entry.compressed_size());
            unpacked = unpacked.saturating_add(entry.size());
            entries.push(ArchiveEntry {
                name: name.map_err(|_| ArchiveFault::Name { position })?,
                size: entry.size(),
            });
        }
        if packed > len {
            return Err(ArchiveFault::Overlap { packed, len });
        }
        let limit = memory_limit(len);
        if unpacked > limit {
            return Err(ArchiveFault::Expansion {
                unpacked,
                len,
                limit,
            });
        }
        let position = |(position, entry): (usize, &ArchiveEntry)| (entry.name.clone(), position);
        Ok(Self {
            by_name: entries.iter().enumerate().map(position).collect(),
            zip,
            entries,
            len,
        })
    }

    /// The archive's own length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The entries in the archive's order.
    pub(crate) fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// The number of the entry of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The bytes of an entry. They are checked against its checksum when the reader comes to their end.
    pub(crate) fn reader(&mut self, entry: usize) -> Result<impl Read + '_, ArchiveFault> {
        let name = self.entries.get(entry).map(|entry| entry.name.clone());
        let opened: Result<ZipFile<'_, _>, ZipError> = self.zip.by_index(entry);
        opened.map_err(|cause| ArchiveFault::Entry {
            entry: name.unwrap_or_default(),
            cause,
        })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("entries", &self.entries.len())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
