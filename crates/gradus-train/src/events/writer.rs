//! Writes event files that TensorBoard opens.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::error::{EventError, Result};
use super::histogram::Histogram;
use super::proto::{
    DT_STRING, Dim, Event, Image, Kind, Metadata, PluginData, SessionLog, Summary, Tensor,
    TensorShape, Value, What,
};
use super::record::write_record;

/// The version that the first event of a file names.
pub const FILE_VERSION: &str = "brain.Event:2";

/// How an [`EventWriter`] behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct EventWriterConfig {
    /// Events are handed to the operating system this long after the last time, with the next event; and on drop. Default 5 s.
    pub flush_every: Duration,
    /// Tells TensorBoard to forget what earlier files of the directory say about steps from this one on. Set it on resume. Default `None`.
    pub purge_step: Option<u64>,
    /// Wall time of every event in seconds since 1970, in place of the clock: for repeatable files. Default `None`.
    pub wall_time: Option<f64>,
    /// Host name in the file name. Default: this machine's.
    pub host: Option<String>,
}

impl Default for EventWriterConfig {
    fn default() -> Self {
        Self {
            flush_every: Duration::from_secs(5),
            purge_step: None,
            wall_time: None,
            host: None,
        }
    }
}

/// Writes one new event file in a directory. Dropping it flushes (errors of that flush are lost: call [`EventWriter::flush`] to see them).
///
/// # Example
/// ```
/// use gradus_train::events::{self, EventWriter, EventWriterConfig};
/// let dir = tempfile::tempdir()?;
/// let mut writer = EventWriter::create(dir.path(), EventWriterConfig::default())?;
/// writer.scalar("train/loss", 0.25, 10)?;
/// writer.flush()?;
/// let scalars = events::scalars(&events::read(writer.path())?);
/// assert_eq!((scalars[0].step, scalars[0].value), (10, 0.25));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
    config: EventWriterConfig,
    flushed: Instant,
}

impl EventWriter {
    /// Creates `events.out.tfevents.<unix seconds>.<host>.<pid>` in `dir`. If that name is taken, `.1`, `.2`, … is added.
    ///
    /// # Errors
    /// [`EventError::Io`]; [`EventError::Step`] for a purge step above 2⁶³ - 1.
    pub fn create(dir: impl AsRef<Path>, config: EventWriterConfig) -> Result<Self> {
        let host = config.host.clone().unwrap_or_else(host_name);
        let seconds = config.wall_time.unwrap_or_else(now).max(0.0).floor();
        let name = format!(
            "events.out.tfevents.{seconds:010}.{}.{}",
            file_safe(&host),
            std::process::id()
        );
        let (path, file) = create_new(dir.as_ref(), &name)?;
        let mut writer = Self {
            path,
            file: BufWriter::with_capacity(1 << 16, file),
            config,
            flushed: Instant::now(),
        };
        writer.event(0, What::FileVersion(FILE_VERSION.into()))?;
        if let Some(step) = writer.config.purge_step {
            let start = SessionLog {
                status: 1,
                ..SessionLog::default()
            };
            writer.event(step, What::SessionLog(start))?;
        }
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a scalar (kept as f32; NaN and infinities are allowed and shown as gaps).
    ///
    /// # Errors
    /// [`EventError::Io`], [`EventError::Step`].
    pub fn scalar(&mut self, tag: &str, value: f64, step: u64) -> Result<()> {
        self.value(tag, Kind::Simple(value as f32), None, step)
    }

    /// Writes a histogram.
    ///
    /// # Errors
    /// [`EventError::Io`], [`EventError::Step`].
    pub fn histogram(&mut self, tag: &str, histogram: &Histogram, step: u64) -> Result<()> {
        self.value(tag, Kind::Histogram(histogram.to_proto()), None, step)
    }

    /// Writes a text, which TensorBoard shows as Markdown; its tag becomes `tag/text_summary`, as PyTorch's.
    ///
    /// # Errors
    /// [`EventError::Io`], [`EventError::Step`].
    pub fn text(&mut self, tag: &str, text: &str, step: u64) -> Result<()> {
        let plugin = PluginData {
            plugin_name: "text".into(),
            content: Vec::new(),
        };
        let metadata = Metadata {
            plugin_data: Some(plugin),
            ..Metadata::default()
        };
        let shape = TensorShape {
            dim: vec![Dim {
                size: 1,
                name: String::new(),
            }],
        };
        let tensor = Tensor {
            dtype: DT_STRING,
            tensor_shape: Some(shape),
            string_val: vec![text.as_bytes().to_vec()],
            ..Tensor::default()
        };
        self.value(
            &format!("{tag}/text_summary"),
            Kind::Tensor(tensor),
            Some(metadata),
            step,
        )
    }

    /// Writes hyper-parameters as a Markdown table under the tag `hparams`, at step 0.
    ///
    /// # Errors
    /// [`EventError::Io`].
    pub fn hparams<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        let cell = |text: &str| {
            text.replace('\\', "\\\\")
                .replace('|', "\\|")
                .replace(['\n', '\r'], " ")
        };
        let mut table = String::from("| key | value |\n|---|---|\n");
        for (key, value) in rows {
            table.push_str(&format!("| {} | {} |\n", cell(key), cell(value)));
        }
        self.text("hparams", &table, 0)
    }

    /// Writes an image: the bytes of a PNG file (see [`crate::report::encode_png`]), its size in pixels and channels (1, 3 or 4).
    ///
    /// # Errors
    /// [`EventError::ImageSize`], [`EventError::Io`], [`EventError::Step`].
    pub fn image_png(
        &mut self,
        tag: &str,
        png: &[u8],
        width: u32,
        height: u32,
        channels: u8,
        step: u64,
    ) -> Result<()> {
        let side = |x: u32| i32::try_from(x).ok().filter(|&x| x > 0);
        let (Some(w), Some(h)) = (side(width), side(height)) else {
            return Err(EventError::ImageSize {
                tag: tag.into(),
                width,
                height,
            });
        };
        let image = Image {
            height: h,
            width: w,
            colorspace: i32::from(channels),
            encoded_image_string: png.to_vec(),
        };
        self.value(tag, Kind::Image(image), None, step)
    }

    /// Hands all events to the operating system.
    ///
    /// # Errors
    /// [`EventError::Io`].
    pub fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.file.flush().map_err(|source| self.io("write", source))
    }

    fn value(
        &mut self,
        tag: &str,
        kind: Kind,
        metadata: Option<Metadata>,
        step: u64,
    ) -> Result<()> {
        let value = Value {
            tag: tag.into(),
            metadata,
            value: Some(kind),
        };
        self.event(step, What::Summary(Summary { value: vec![value] }))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let step = i64::try_from(step).map_err(|_| EventError::Step { step })?;
        let wall_time = self.config.wall_time.unwrap_or_else(now);
        let event = Event {
            wall_time,
            step,
            what: Some(what),
        };
        write_record(&mut self.file, &event.encode_to_vec())
            .map_err(|source| self.io("write", source))?;
        if self.flushed.elapsed() >= self.config.flush_every {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn io(&self, op: &'static str, source: io::Error) -> EventError {
        EventError::Io {
            op,
            path: self.path.clone(),
            source,
        }
    }
}

fn create_new(dir: &Path, name: &str) -> Result<(PathBuf, File)> {
    let mut path = dir.join(name);
    let mut copy = 0u32;
    loop {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && copy < 10_000 => {
                copy += 1;
                path = dir.join(format!("{name}.{copy}"));
            }
            Err(source) => {
                return Err(EventError::Io {
                    op: "create",
                    path,
                    source,
                });
            }
        }
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

fn host_name() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_shell = || {
        std::env::var("HOSTNAME")
            .or_else(|_| std::env::var("COMPUTERNAME"))
            .ok()
    };
    from_kernel
        .or_else(from_shell)
        .map(|h| h.trim().to_owned())
        .filter(|h| !h.is_empty())
        .unwrap_or_else(|| "localhost".into())
}

/// Letters, digits, `-` and `.` of a host name, at most 64.
fn file_safe(host: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
            c
        } else {
            '-'
        }
    };
    host.chars().take(64).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::proto::{Kind, What};
    use super::{EventError, EventWriter, EventWriterConfig};
    use crate::events::{Histogram, read, scalars};

    fn config() -> EventWriterConfig {
        let flush_every = Duration::from_secs(3600);
        EventWriterConfig {
            wall_time: Some(1_700_000_000.5),
            host: Some("a host/x".into()),
            flush_every,
            ..EventWriterConfig::default()
        }
    }

    #[test]
    fn writes_what_is_read() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut w = EventWriter::create(dir.path(), config()).expect("creates");
        w.scalar("train/loss", 0.5, 1).expect("writes");
        w.scalar("train/loss", f64::NAN, 2).expect("writes");
        w.histogram("weights", &Histogram::of(&[1.0, 2.0]), 2)
            .expect("writes");
        w.hparams([("lr", "0.1"), ("name", "a|b\nc")])
            .expect("writes");
        w.image_png("sample", b"\x89PNG", 3, 2, 3, 2)
            .expect("writes");
        let path = w.path().to_path_buf();
        drop(w);
        let events = read(&path).expect("reads");
        assert_eq!(events.len(), 6);
        assert!(events.iter().all(|e| e.wall_time == 1_700_000_000.5));
        let found = scalars(&events);
        assert_eq!(
            (found[0].step, found[0].value, found[0].tag.as_str()),
            (1, 0.5, "train/loss")
        );
        assert!(found[1].value.is_nan());
        let Some(What::Summary(text)) = &events[4].what else {
            panic!("a summary")
        };
        assert_eq!(text.value[0].tag, "hparams/text_summary");
        let Some(Kind::Tensor(tensor)) = &text.value[0].value else {
            panic!("a tensor")
        };
        assert_eq!(
            tensor.string_val[0],
            b"| key | value |\n|---|---|\n| lr | 0.1 |\n| name | a\\|b c |\n"
        );
    }

    #[test]
    fn the_name_is_as_tensorboard_wants_and_never_taken_twice() {
        let dir = tempfile::tempdir().expect("temp dir");
        let name = |w: &EventWriter| {
            w.path()
                .file_name()
                .and_then(|n| n.to_str())
                .map(str::to_owned)
                .expect("a name")
        };
        let first = EventWriter::create(dir.path(), config()).expect("creates");
        let second = EventWriter::create(dir.path(), config()).expect("creates");
        assert_eq!(
            name(&first),
            format!(
                "events.out.tfevents.1700000000.a-host-x.{}",
                std::process::id()
            )
        );
        assert_eq!(name(&second), format!("{}.1", name(&first)));
    }

    #[test]
    fn buffers_until_flushed() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut w = EventWriter::create(dir.path(), config()).expect("creates");
        w.scalar("x", 1.0, 1).expect("writes");
        assert_eq!(read(w.path()).expect("reads").len(), 1); // the version is out at once
        w.flush().expect("flushes");
        assert_eq!(read(w.path()).expect("reads").len(), 2);
        let mut eager = EventWriter::create(
            dir.path(),
            EventWriterConfig {
                flush_every: Duration::ZERO,
                ..config()
            },
        )
        .expect("creates");
        eager.scalar("x", 1.0, 1).expect("writes");
        assert_eq!(read(eager.path()).expect("reads").len(), 2);
    }

    #[test]
    fn a_resumed_run_purges_later_steps() {
        let dir = tempfile::tempdir().expect("temp dir");
        let w = EventWriter::create(
            dir.path(),
            EventWriterConfig {
                purge_step: Some(7),
                ..config()
            },
        )
        .expect("creates");
        let events = read(w.path()).expect("reads");
        assert!(
            matches!(&events[1].what, Some(What::SessionLog(log)) if log.status == 1 && events[1].step == 7)
        );
    }

    #[test]
    fn rejects_what_the_format_cannot_hold() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut w = EventWriter::create(dir.path(), config()).expect("creates");
        assert!(matches!(
            w.scalar("x", 1.0, u64::MAX),
            Err(EventError::Step { step: u64::MAX })
        ));
        assert!(matches!(
            w.image_png("i", b"", 0, 1, 3, 0),
            Err(EventError::ImageSize { width: 0, .. })
        ));
        assert!(matches!(
            w.image_png("i", b"", 1, 1 << 31, 3, 0),
            Err(EventError::ImageSize { .. })
        ));
        assert!(matches!(
            EventWriter::create(dir.path().join("no"), config()),
            Err(EventError::Io { op: "create", .. })
        ));
    }
}
