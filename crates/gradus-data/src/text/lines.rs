//! The lines of a text file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};
use crate::text::TextProblem;

/// The lines of a text file, read as they are asked for, without their ends (`\n` or `\r\n`) and without a byte order mark.
///
/// ```
/// use gradus_data::TextLines;
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("poems.txt");
/// # std::fs::write(&path, "床前明月光\r\n疑是地上霜\n").unwrap();
/// let lines = TextLines::open(&path)?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(lines, ["床前明月光", "疑是地上霜"]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct TextLines {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    ended: bool,
}

impl TextLines {
    /// The lines of a file.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be opened. The lines report what cannot be read ([`DataError::Io`]) and what is no UTF-8 ([`DataError::Text`]).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::open(&path).map_err(|e| DataError::io("read", &path, e))?;
        Ok(Self {
            path,
            reader: BufReader::new(file),
            line: 0,
            ended: false,
        })
    }

    /// The number of the line that came last, from 1; 0 before the first.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let count = self.reader.read_until(b'\n', &mut bytes);
        if count.map_err(|e| DataError::io("read", &self.path, e))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let mut text = &bytes[..];
        text = text.strip_suffix(b"\n").unwrap_or(text);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if self.line == 1 {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(DataError::text(&self.path, self.line, TextProblem::NotUtf8)),
        }
    }
}

impl Iterator for TextLines {
    type Item = Result<String>;

    /// The next line; nothing more after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.read().transpose();
        self.ended = !matches!(line, Some(Ok(_)));
        line
    }
}
