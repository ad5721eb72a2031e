//! Long sequences of tokens: files of them, and parts of them.
//!
//! A token file is 32 bytes of header and then the ids, little-endian, as u16 if all are below 65,536, else as u32. The header is the mark `GRADTOK1`, the bytes of an
//! id (u32), the number that all ids are below (u32, 0 for 2³²) and the number of ids (u64), then 8 zeros. It is read with positioned reads: it may be larger than memory.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DataError, Result};

/// A long sequence of token ids.
pub trait TokenSource: Send + Sync {
    /// The number of tokens.
    fn len(&self) -> usize;

    /// Whether there is no token.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the tokens from `start` on into all of `out`.
    ///
    /// # Errors
    /// [`DataError::Index`] if there are not as many; what reading a file reports.
    fn read(&self, start: usize, out: &mut [u32]) -> Result<()>;
}

/// Where a read ends, if the source has as many tokens.
fn checked_end(start: usize, count: usize, len: usize) -> Result<usize> {
    match start.checked_add(count) {
        Some(end) if end <= len => Ok(end),
        _ => Err(DataError::Index {
            what: "tokens",
            index: start.saturating_add(count),
            len,
        }),
    }
}

/// Tokens in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTokens(pub Vec<u32>);

impl TokenSource for MemoryTokens {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<()> {
        let end = checked_end(start, out.len(), self.0.len())?;
        out.copy_from_slice(&self.0[start..end]);
        Ok(())
    }
}

/// A part of a sequence.
#[derive(Clone)]
pub struct TokenSlice {
    source: Arc<dyn TokenSource>,
    range: Range<usize>,
}

impl TokenSlice {
    /// The tokens of `source` in `range`.
    ///
    /// # Errors
    /// [`DataError::Index`] if the range ends outside the source or before its start.
    pub fn new(source: Arc<dyn TokenSource>, range: Range<usize>) -> Result<Self> {
        let len = source.len();
        if range.start > range.end || range.end > len {
            return Err(DataError::Index {
                what: "tokens",
                index: range.start.max(range.end),
                len,
            });
        }
        Ok(Self { source, range })
    }
}

impl TokenSource for TokenSlice {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<()> {
        checked_end(start, out.len(), self.len())?;
        self.source.read(self.range.start + start, out)
    }
}

/// Divides a sequence by position: the first `1 - val_fraction` of it to train on, the rest to score on.
///
/// # Errors
/// [`DataError::Argument`] unless `0 <= val_fraction < 1`.
pub fn split_tokens(
    source: Arc<dyn TokenSource>,
    val_fraction: f64,
) -> Result<(TokenSlice, TokenSlice)> {
    if !(0.0..1.0).contains(&val_fraction) {
        return Err(DataError::Argument {
            what: "split of tokens",
            argument: "val_fraction",
            expected: "at least 0 and below 1",
            got: val_fraction.to_string(),
        });
    }
    let len = source.len();
    let cut = ((len as f64 * (1.0 - val_fraction)) as usize).min(len);
    let train = TokenSlice::new(Arc::clone(&source), 0..cut)?;
    Ok((train, TokenSlice::new(source, cut..len)?))
}

const MARK: &[u8; 8] = b"GRADTOK1";
const HEADER: u64 = 32;

/// What is wrong with a token file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFileProblem {
    /// It does not begin as a token file does.
    NotATokenFile,
    /// An id has neither 2 nor 4 bytes.
    Width(u32),
    /// Its length is not what the header says.
    Length {
        /// The bytes that the header asks for.
        expected: u64,
        /// The bytes there are.
        got: u64,
    },
    /// An id is not below the number in the header.
    Id {
        /// The position of the token.
        position: usize,
        /// The id.
        id: u32,
        /// The number that it must be below.
        vocab_size: u64,
    },
}

impl fmt::Display for TokenFileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATokenFile => f.write_str("not a token file; it must be written anew"),
            Self::Width(width) => write!(f, "ids of {width} bytes; only 2 and 4 are known"),
            Self::Length { expected, got } => {
                write!(
                    f,
                    "{got} bytes, but its header asks for {expected}; it was cut off or changed"
                )
            }
            Self::Id {
                position,
                id,
                vocab_size,
            } => write!(
                f,
                "token {position} is {id}, but ids must be below {vocab_size}"
            ),
        }
    }
}

/// A file of tokens, read in parts as they are asked for.
///
/// ```
/// use gradus_data::{TokenFile, TokenFileWriter, TokenSource};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("train.tokens");
/// let mut writer = TokenFileWriter::create(&path, 50_257)?;
/// writer.push(&[464, 2068, 7586])?;
/// writer.push(&[21831])?;
/// writer.finish()?;
///
/// let tokens = TokenFile::open(&path)?;
/// let mut two = [0; 2];
/// tokens.read(2, &mut two)?;
/// assert_eq!((tokens.len(), tokens.vocab_size(), two), (4, 50_257, [7586, 21831]));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    file: positioned::Reader,
    width: usize,
    vocab_size: u64,
    len: usize,
}

impl TokenFile {
    /// Opens a file that [`TokenFileWriter`] wrote.
    ///
    /// # Errors
    /// [`DataError::TokenFile`] if it is none, or not whole; [`DataError::Io`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let fail = |source| DataError::io("read", &path, source);
        let bad = |problem| DataError::TokenFile {
            path: path.clone(),
            problem,
        };
        let mut file = File::open(&path).map_err(fail)?;
        let got = file.metadata().map_err(fail)?.len();
        if got < HEADER {
            return Err(bad(TokenFileProblem::NotATokenFile));
        }
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header).map_err(fail)?;
        if &header[..8] != MARK {
            return Err(bad(TokenFileProblem::NotATokenFile));
        }
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let width = match word(8) {
            2 => 2,
            4 => 4,
            other => return Err(bad(TokenFileProblem::Width(other))),
        };
        let count = u64::from_le_bytes(std::array::from_fn(|i| header[16 + i]));
        let expected = count.saturating_mul(width).saturating_add(HEADER);
        let len = usize::try_from(count).ok().filter(|_| expected == got);
        let Some(len) = len else {
            return Err(bad(TokenFileProblem::Length { expected, got }));
        };
        let vocab_size = match word(12) {
            0 => 1 << 32,
            size => u64::from(size),
        };
        Ok(Self {
            file: positioned::Reader::new(file),
            width: width as usize,
            vocab_size,
            len,
            path,
        })
    }

    /// The number that all ids are below.
    pub fn vocab_size(&self) -> u64 {
        self.vocab_size
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Tokens read at once, so that a long read needs no second copy of all of it.
const READ_AT_ONCE: usize = 1 << 14;

impl TokenSource for TokenFile {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<()> {
        checked_end(start, out.len(), self.len)?;
        let mut bytes = vec![0; out.len().min(READ_AT_ONCE) * self.width];
        let mut position = start;
        for part in out.chunks_mut(READ_AT_ONCE) {
            let bytes = &mut bytes[..part.len() * self.width];
            let at = HEADER + position as u64 * self.width as u64;
            let read = self.file.read_exact_at(bytes, at);
            read.map_err(|e| DataError::io("read", &self.path, e))?;
            for (out, id) in part.iter_mut().zip(bytes.chunks_exact(self.width)) {
                *out = match *id {
                    [a, b] => u32::from(u16::from_le_bytes([a, b])),
                    [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
                    _ => 0, // the width is 2 or 4
                };
                if u64::from(*out) >= self.vocab_size {
                    let problem = TokenFileProblem::Id {
                        position,
                        id: *out,
                        vocab_size: self.vocab_size,
                    };
                    let path = self.path.clone();
                    return Err(DataError::TokenFile { path, problem });
                }
                position += 1;
            }
        }
        Ok(())
    }
}

/// Reading at a place of a file without moving anybody else's.
mod positioned {
    use std::fs::File;
    use std::io;

    /// A file that several threads read.
    #[cfg(unix)]
    #[derive(Debug)]
    pub(super) struct Reader(File);

    #[cfg(unix)]
    impl Reader {
        pub(super) fn new(file: File) -> Self {
            Self(file)
        }

        pub(super) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, at)
        }
    }

    /// A file that several threads read one after the other.
    #[cfg(not(unix))]
    #[derive(Debug)]
    pub(super) struct Reader(std::sync::Mutex<File>);

    #[cfg(not(unix))]
    impl Reader {
        pub(super) fn new(file: File) -> Self {
            Self(std::sync::Mutex::new(file))
        }

        pub(super) fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            use std::io::{Read, Seek, SeekFrom};
            // A thread that died while it read left no half-done work behind.
            let mut file = self.0.lock().unwrap_or_else(|dead| dead.into_inner());
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(bytes)
        }
    }
}

/// Writes a [`TokenFile`]: beside its place first, and there when it is finished. What is dropped before that leaves nothing.
#[derive(Debug)]
pub struct TokenFileWriter {
    path: PathBuf,
    beside: PathBuf,
    file: Option<BufWriter<File>>,
    vocab_size: u64,
    wide: bool,
    count: u64,
}

impl TokenFileWriter {
    /// A file for ids below `vocab_size`.
    ///
    /// # Errors
    /// [`DataError::Argument`] for a vocabulary of 0 or of more than 2³² tokens; [`DataError::Io`].
    pub fn create(path: impl Into<PathBuf>, vocab_size: usize) -> Result<Self> {
        let size = u64::try_from(vocab_size).unwrap_or(u64::MAX);
        if size == 0 || size > 1 << 32 {
            return Err(DataError::Argument {
                what: "token file",
                argument: "vocab_size",
                expected: "at least 1 and at most 2^32",
                got: vocab_size.to_string(),
            });
        }
        let path = path.into();
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let beside = path.with_file_name(name);
        let file = File::create(&beside).map_err(|e| DataError::io("write", &beside, e))?;
        let mut writer = Self {
            path,
            beside,
            file: Some(BufWriter::with_capacity(1 << 16, file)),
            vocab_size: size,
            wide: size > 1 << 16,
            count: 0,
        };
        writer.write(&[0; HEADER as usize])?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(()); // finished: the writer is gone
        };
        file.write_all(bytes)
            .map_err(|e| DataError::io("write", &self.beside, e))
    }

    /// Adds tokens.
    ///
    /// # Errors
    /// [`DataError::TokenFile`] for an id outside the vocabulary; [`DataError::Io`].
    pub fn push(&mut self, ids: &[u32]) -> Result<()> {
        for &id in ids {
            if u64::from(id) >= self.vocab_size {
                let problem = TokenFileProblem::Id {
                    position: usize::try_from(self.count).unwrap_or(usize::MAX),
                    id,
                    vocab_size: self.vocab_size,
                };
                let path = self.path.clone();
                return Err(DataError::TokenFile { path, problem });
            }
            let bytes = id.to_le_bytes();
            self.write(if self.wide { &bytes } else { &bytes[..2] })?;
            self.count += 1;
        }
        Ok(())
    }

    /// The number of tokens so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes the header, and puts the file in its place.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn finish(mut self) -> Result<()> {
        let fail = |source| DataError::io("write", &self.beside, source);
        let Some(file) = self.file.take() else {
            return Ok(()); // only `finish` takes it, and that once
        };
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(MARK);
        header[8..12].copy_from_slice(&(if self.wide { 4_u32 } else { 2 }).to_le_bytes());
        let size = u32::try_from(self.vocab_size).unwrap_or(0);
        header[12..16].copy_from_slice(&size.to_le_bytes());
        header[16..24].copy_from_slice(&self.count.to_le_bytes());
        let mut file = file.into_inner().map_err(|e| fail(e.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        file.write_all(&header).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        fs::rename(&self.beside, &self.path).map_err(|e| DataError::io("write", &self.path, e))
    }
}

impl Drop for TokenFileWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.beside); // nothing more can be done about it here
        }
    }
}
