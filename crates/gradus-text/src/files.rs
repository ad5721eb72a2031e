//! Reading and writing the files of a tokenizer's folder.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{LineProblem, Result, TextError};

/// The largest file of a tokenizer that is read: ten times the largest in use.
const MOST_BYTES: u64 = 512 << 20;

/// The bytes of a file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |source| TextError::io("read", path, source);
    let file = fs::File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TextError::TooLarge {
            path: path.into(),
            bytes: meta.len().max(bytes.len() as u64),
            limit: MOST_BYTES,
        });
    }
    Ok(bytes)
}

/// The lines of a text file, without their ends.
pub(crate) fn lines(path: &Path) -> Result<Vec<String>> {
    let bytes = read(path)?;
    let mut lines = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line)
            .map_err(|_| TextError::line(path, number + 1, LineProblem::NotUtf8))?;
        lines.push(line.to_owned());
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop(); // what follows the last line's end is no line
    }
    Ok(lines)
}

/// A JSON object of a file; empty if there is no file.
pub(crate) fn object_or_empty(path: &Path) -> Result<Map<String, Value>> {
    if !path.exists() {
        return Ok(Map::new());
    }
    object(path)
}

/// The JSON object in a file.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>> {
    serde_json::from_slice(&read(path)?).map_err(|source| TextError::Json {
        path: path.into(),
        source,
    })
}

/// Writes a file whole or not at all: beside it first, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside: PathBuf = path.with_file_name(name);
    let put = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    put().map_err(|source| {
        let _ = fs::remove_file(&beside); // the first error is the one to report
        TextError::io("write", path, source)
    })
}

/// JSON as people read it, with a last line end.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
