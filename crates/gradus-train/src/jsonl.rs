//! `metrics.jsonl`: one JSON object a line, appended while a run goes on, read back by reports and scripts, cut back on resume.
//!
//! A line is `{"kind":"train","step":120,"epoch":0,"loss":0.41,…}`: `kind`, `step` and `epoch` first, then the fields in the order in which
//! they were set. JSON has no NaN and no infinity: such a number is written as `null`, and a field with the suffix [`NONFINITE_SUFFIX`]
//! spells it (`"loss":null,"loss_nonfinite":"NaN"`); reading gives the number back.
//!
//! A process may die between two bytes: a last line without its line end is a *cut line*. Reading tolerates it (and says so); opening for
//! appending removes it; any other malformed line is an error, since then the file is not what this writer wrote.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Suffix of the string field that spells a non-finite number.
pub const NONFINITE_SUFFIX: &str = "_nonfinite";

/// Longest line that is read, in bytes. A line of ours is under 1 KiB.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// What can go wrong with `metrics.jsonl`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonlError {
    /// The file system refused.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A whole line is not JSON.
    #[error("{}: line {line} is not JSON: {source}; remove the line or the file", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A whole line is JSON, but no record.
    #[error("{}: line {line} has no valid `{field}`; expected {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("{}: line {line} is longer than {limit} bytes; this is no metrics file", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The limit.
        limit: u64,
    },
}

type Result<T> = std::result::Result<T, JsonlError>;

fn io_error<'a>(op: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JsonlError + 'a {
    move |source| JsonlError::Io {
        op,
        path: path.to_path_buf(),
        source,
    }
}

/// One line of `metrics.jsonl`.
///
/// # Example
/// ```
/// use gradus_train::jsonl::Record;
/// let record = Record::new("train", 120, 0).number("loss", f64::NAN).number("lr", 0.001);
/// assert_eq!(serde_json::to_string(&record)?, r#"{"kind":"train","step":120,"epoch":0,"loss":null,"loss_nonfinite":"NaN","lr":0.001}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What the line is about: `"train"`, `"eval"`, ….
    pub kind: String,
    /// Optimizer steps done when it was written.
    pub step: u64,
    /// Epoch (from 0) in which it was written.
    pub epoch: u64,
    fields: Vec<(String, Field)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(f64),
    Json(Value),
}

impl Record {
    /// A record without further fields.
    pub fn new(kind: impl Into<String>, step: u64, epoch: u64) -> Self {
        Self {
            kind: kind.into(),
            step,
            epoch,
            fields: Vec::new(),
        }
    }

    /// Sets a number; NaN and infinities are kept. A field of this name is replaced.
    #[must_use]
    pub fn number(self, name: impl Into<String>, value: f64) -> Self {
        self.set(name.into(), Field::Number(value))
    }

    /// Sets a number if there is one.
    #[must_use]
    pub fn maybe(self, name: impl Into<String>, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// Sets a text.
    #[must_use]
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name.into(), Field::Json(Value::String(value.into())))
    }

    /// Sets any JSON value, such as an integer.
    #[must_use]
    pub fn json(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name.into(), Field::Json(value.into()))
    }

    fn set(mut self, name: String, field: Field) -> Self {
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = field,
            None => self.fields.push((name, field)),
        }
        self
    }

    /// The number of this name, non-finite ones included; `None` if there is none.
    pub fn get(&self, name: &str) -> Option<f64> {
        match self.field(name)? {
            Field::Number(x) => Some(*x),
            Field::Json(value) => value.as_f64(),
        }
    }

    /// The text of this name.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        match self.field(name)? {
            Field::Json(value) => value.as_str(),
            Field::Number(_) => None,
        }
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, f)| f)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("epoch", &self.epoch)?;
        for (name, field) in self
            .fields
            .iter()
            .filter(|(n, _)| !matches!(n.as_str(), "kind" | "step" | "epoch"))
        {
            match field {
                Field::Number(x) => serialize_number(&mut map, name, *x)?,
                Field::Json(value) => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

/// Writes `name: x`, or `name: null` and `name_nonfinite: "NaN" | "inf" | "-inf"`.
pub(crate) fn serialize_number<M: SerializeMap>(
    map: &mut M,
    name: &str,
    x: f64,
) -> std::result::Result<(), M::Error> {
    if x.is_finite() {
        return map.serialize_entry(name, &x);
    }
    map.serialize_entry(name, &None::<f64>)?;
    map.serialize_entry(&format!("{name}{NONFINITE_SUFFIX}"), spell(x))
}

fn spell(x: f64) -> &'static str {
    match x {
        x if x.is_nan() => "NaN",
        x if x > 0.0 => "inf",
        _ => "-inf",
    }
}

/// When the writer hands its lines to the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// After every line, so that a killed process loses none. The default: a line costs one `write` call.
    #[default]
    EveryLine,
    /// With the first line that comes this long after the last flush, and on drop.
    Every(Duration),
}

/// Appends records to a file. Dropping it flushes (errors of that flush are lost: call [`JsonlWriter::flush`] to see them).
#[derive(Debug)]
pub struct JsonlWriter {
    path: PathBuf,
    file: BufWriter<File>,
    policy: Flush,
    flushed: Instant,
    bytes: u64,
}

impl JsonlWriter {
    /// Starts an empty file, replacing what was there.
    ///
    /// # Errors
    /// [`JsonlError::Io`].
    pub fn create(path: impl AsRef<Path>, policy: Flush) -> Result<Self> {
        let path = path.as_ref();
        let file = File::create(path).map_err(io_error("create", path))?;
        Ok(Self::over(path, file, policy, 0))
    }

    /// Opens a file to append to, creating it if need be. A cut last line is removed first.
    ///
    /// # Errors
    /// [`JsonlError::Io`], and those of [`read`].
    pub fn append(path: impl AsRef<Path>, policy: Flush) -> Result<Self> {
        let path = path.as_ref();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error("open", path))?;
        let log = read_from(path, &mut file)?;
        file.set_len(log.whole_bytes)
            .map_err(io_error("truncate", path))?;
        file.seek(SeekFrom::End(0))
            .map_err(io_error("seek in", path))?;
        Ok(Self::over(path, file, policy, log.whole_bytes))
    }

    fn over(path: &Path, file: File, policy: Flush, bytes: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            file: BufWriter::new(file),
            policy,
            flushed: Instant::now(),
            bytes,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of all lines written so far, those of an earlier process among them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends one line.
    ///
    /// # Errors
    /// [`JsonlError::Io`].
    pub fn write(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record)
            .map_err(io::Error::from)
            .map_err(io_error("write", &self.path))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(io_error("write", &self.path))?;
        self.bytes += line.len() as u64;
        let due = match self.policy {
            Flush::EveryLine => true,
            Flush::Every(interval) => self.flushed.elapsed() >= interval,
        };
        if due { self.flush() } else { Ok(()) }
    }

    /// Hands all lines to the operating system.
    ///
    /// # Errors
    /// [`JsonlError::Io`].
    pub fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.file.flush().map_err(io_error("write", &self.path))
    }

    /// Flushes, and hands out the open file: another thread can wait on it until the lines are on the disk.
    ///
    /// # Errors
    /// [`JsonlError::Io`].
    pub fn flushed_file(&mut self) -> Result<File> {
        self.flush()?;
        let file = self.file.get_ref().try_clone();
        file.map_err(io_error("open again", &self.path))
    }

    /// Flushes, and waits until the lines are on the disk. Call it before a checkpoint is committed.
    ///
    /// # Errors
    /// [`JsonlError::Io`].
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file
            .get_ref()
            .sync_data()
            .map_err(io_error("sync", &self.path))
    }
}

/// A metrics file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The records, in file order.
    pub records: Vec<Record>,
    /// Bytes of the file that hold whole lines; what follows is the cut line.
    pub whole_bytes: u64,
    /// Bytes of the cut last line; 0 if the file ends as it should.
    pub cut_bytes: u64,
    ends: Vec<u64>, // file offset after each record
}

impl Log {
    /// `(step, value)` of every record of this kind that has the field, in file order.
    pub fn series(&self, kind: &str, field: &str) -> Vec<(u64, f64)> {
        self.records
            .iter()
            .filter(|r| r.kind == kind)
            .filter_map(|r| Some((r.step, r.get(field)?)))
            .collect()
    }
}

/// Reads a metrics file; a cut last line is left out and counted in [`Log::cut_bytes`].
///
/// # Errors
/// One variant of [`JsonlError`] a way the file can be bad.
pub fn read(path: impl AsRef<Path>) -> Result<Log> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(io_error("open", path))?;
    read_from(path, &mut file)
}

fn read_from(path: &Path, file: &mut File) -> Result<Log> {
    let mut reader = BufReader::new(file);
    let mut log = Log {
        records: Vec::new(),
        whole_bytes: 0,
        cut_bytes: 0,
        ends: Vec::new(),
    };
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let size = reader
            .by_ref()
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut line)
            .map_err(io_error("read", path))?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if size > MAX_LINE_BYTES {
            return Err(JsonlError::LineTooLong {
                path: path.to_path_buf(),
                line: number,
                limit: MAX_LINE_BYTES,
            });
        }
        if line.last() != Some(&b'\n') {
            log.cut_bytes = size;
            break;
        }
        log.whole_bytes += size;
        if !line.trim_ascii().is_empty() {
            log.records.push(parse(path, number, &line)?);
            log.ends.push(log.whole_bytes);
        }
    }
    Ok(log)
}

fn parse(path: &Path, line: u64, bytes: &[u8]) -> Result<Record> {
    let bad = |field, expected| JsonlError::Field {
        path: path.to_path_buf(),
        line,
        field,
        expected,
    };
    let value = serde_json::from_slice(bytes).map_err(|source| JsonlError::Json {
        path: path.to_path_buf(),
        line,
        source,
    })?;
    let Value::Object(mut map) = value else {
        return Err(bad("{}", "an object"));
    };
    let kind = match map.remove("kind") {
        Some(Value::String(kind)) => kind,
        _ => return Err(bad("kind", "a string")),
    };
    let mut integer = |field| {
        map.remove(field)
            .and_then(|v| v.as_u64())
            .ok_or_else(|| bad(field, "an integer >= 0"))
    };
    let mut record = Record::new(kind, integer("step")?, integer("epoch")?);
    for (name, value) in &map {
        let spelt = map
            .get(&format!("{name}{NONFINITE_SUFFIX}"))
            .and_then(Value::as_str);
        let field = match (value, spelt) {
            (Value::Null, Some("NaN")) => Field::Number(f64::NAN),
            (Value::Null, Some("inf")) => Field::Number(f64::INFINITY),
            (Value::Null, Some("-inf")) => Field::Number(f64::NEG_INFINITY),
            (Value::Number(n), _) if n.is_f64() => Field::Number(n.as_f64().unwrap_or(f64::NAN)),
            _ => Field::Json(value.clone()),
        };
        let stands_for = name
            .strip_suffix(NONFINITE_SUFFIX)
            .and_then(|base| map.get(base));
        if stands_for != Some(&Value::Null) {
            record.fields.push((name.clone(), field));
        }
    }
    Ok(record)
}

/// Keeps the records up to and with `step` and removes the later ones and a cut line; returns how many records went.
///
/// Resuming at step `s` truncates to `s`, so that the file reads as if the run had never stopped. The file is written anew beside the old one,
/// synced and renamed: it is at every moment either the old or the new one. A file that does not exist stays so.
///
/// # Errors
/// Those of [`read`], and [`JsonlError::Io`].
pub fn truncate_after(path: impl AsRef<Path>, step: u64) -> Result<usize> {
    let path = path.as_ref();
    let log = match read(path) {
        Err(JsonlError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(0);
        }
        log => log?,
    };
    let gone = log.records.iter().filter(|r| r.step > step).count();
    if gone == 0 && log.cut_bytes == 0 {
        return Ok(0);
    }
    let bytes = std::fs::read(path).map_err(io_error("read", path))?;
    let mut kept = Vec::with_capacity(bytes.len());
    let mut start = 0;
    for (record, &end) in log.records.iter().zip(&log.ends) {
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
        if record.step <= step {
            kept.extend_from_slice(&bytes[start..end]);
        }
        start = end;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let write = |file: &mut File| file.write_all(&kept).and_then(|()| file.sync_all());
    File::create(&partial)
        .and_then(|mut file| write(&mut file))
        .map_err(io_error("write", &partial))?;
    std::fs::rename(&partial, path).map_err(io_error("replace", path))?;
    Ok(gone)
}

/// Cuts the file to its first `bytes` bytes, as many as it had when a checkpoint of `step` was taken: exact also where a step has several
/// records, and whatever a power cut left behind them. A file that has fewer bytes, or no line end there, is another one and is cut by
/// [`truncate_after`]. A file that does not exist stays so.
///
/// # Errors
/// Those of [`truncate_after`].
pub fn truncate_to(path: impl AsRef<Path>, bytes: u64, step: u64) -> Result<()> {
    let path = path.as_ref();
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(io_error("open", path))?,
    };
    if ends_line(&mut file, bytes).map_err(io_error("read", path))? {
        return file.set_len(bytes).map_err(io_error("truncate", path));
    }
    truncate_after(path, step).map(|_| ())
}

/// Whether a line ends with byte number `bytes` of the file.
fn ends_line(file: &mut File, bytes: u64) -> io::Result<bool> {
    if bytes == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(bytes - 1))?;
    Ok(file.read(&mut last)? == 1 && last[0] == b'\n')
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
