//! A Chrome trace of where the time went: spans in thread-local buffers, written as JSON for `chrome://tracing` or <https://ui.perfetto.dev>.
//!
//! Recording is process-wide and off until [`start`]. While it is off, [`span`] costs one relaxed atomic load. While it is on, a span costs two
//! clock reads and a push to a buffer that only its own thread writes. Spans say when things happened, never what was computed: they cannot
//! change a result.
//!
//! Format: the "JSON Array Format" of the *Trace Event Format* (Google, 2016): complete events (`"ph": "X"`) with start and duration in
//! microseconds, and one metadata event a thread that names it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde::ser::{SerializeMap, SerializeSeq, Serializer};

/// Most spans kept a thread; later ones are counted and dropped. 2²⁰ spans are about 64 MiB and far more than a viewer likes.
pub const SPANS_PER_THREAD: usize = 1 << 20;

static ON: AtomicBool = AtomicBool::new(false);
/// Counts calls of [`start`], so that a span that began before it is not recorded after it.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static THREADS: Mutex<Vec<Arc<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static THREAD: OnceCell<Arc<Thread>> = const { OnceCell::new() };
}

#[derive(Debug)]
struct Thread {
    id: u64, // from 1, in the order of the first span
    name: String,
    buffer: Mutex<Buffer>, // locked by its own thread, and by the one that writes the file
}

#[derive(Debug, Default)]
struct Buffer {
    events: Vec<Event>,
    dropped: u64,
}

#[derive(Debug, Clone)]
struct Event {
    name: Cow<'static, str>,
    start_ns: u64,
    duration_ns: u64,
    arg: Option<(&'static str, u64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds since the first use of the clock; 584 years fit.
fn now_ns() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    u64::try_from(ZERO.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Forgets what was recorded and starts recording.
pub fn start() {
    now_ns();
    for thread in lock(&THREADS).iter() {
        *lock(&thread.buffer) = Buffer::default();
    }
    GENERATION.fetch_add(1, Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
}

/// Stops recording; what was recorded stays until the next [`start`]. Spans still open are not recorded.
pub fn stop() {
    ON.store(false, Ordering::Relaxed);
}

/// Whether spans are recorded now.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Opens a span that ends when the guard is dropped.
///
/// # Example
/// ```
/// use gradus_train::trace;
/// trace::start();
/// {
///     let _step = trace::span("step");
///     let _forward = trace::span("forward"); // nested
/// }
/// trace::stop();
/// let json = trace::to_json();
/// assert!(json.contains(r#""name":"forward""#));
/// ```
#[inline]
#[must_use = "the span ends when this guard is dropped"]
pub fn span(name: &'static str) -> Span {
    if is_on() {
        Span::open(Cow::Borrowed(name), None)
    } else {
        Span(None)
    }
}

/// [`span`] with one number shown beside it, such as the step.
#[inline]
#[must_use = "the span ends when this guard is dropped"]
pub fn span_with(name: &'static str, key: &'static str, value: u64) -> Span {
    if is_on() {
        Span::open(Cow::Borrowed(name), Some((key, value)))
    } else {
        Span(None)
    }
}

/// [`span`] with a name that is made only while recording is on, such as a module's path.
#[inline]
#[must_use = "the span ends when this guard is dropped"]
pub fn span_named(name: impl FnOnce() -> String) -> Span {
    if is_on() {
        Span::open(Cow::Owned(name()), None)
    } else {
        Span(None)
    }
}

/// An open span; see [`span`].
#[derive(Debug)]
pub struct Span(Option<Open>);

#[derive(Debug)]
struct Open {
    name: Cow<'static, str>,
    start_ns: u64,
    generation: u64,
    arg: Option<(&'static str, u64)>,
}

impl Span {
    fn open(name: Cow<'static, str>, arg: Option<(&'static str, u64)>) -> Self {
        let generation = GENERATION.load(Ordering::Relaxed);
        Self(Some(Open {
            name,
            start_ns: now_ns(),
            generation,
            arg,
        }))
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            open.record();
        }
    }
}

impl Open {
    fn record(self) {
        let end = now_ns();
        if !is_on() || self.generation != GENERATION.load(Ordering::Relaxed) {
            return;
        }
        let event = Event {
            name: self.name,
            start_ns: self.start_ns,
            duration_ns: end - self.start_ns,
            arg: self.arg,
        };
        // A thread whose locals are already gone records nothing.
        let _ = THREAD.try_with(|thread| {
            let mut buffer = lock(&thread.get_or_init(register).buffer);
            if buffer.events.len() < SPANS_PER_THREAD {
                buffer.events.push(event)
            } else {
                buffer.dropped += 1
            }
        });
    }
}

fn register() -> Arc<Thread> {
    let mut threads = lock(&THREADS);
    let id = threads.last().map_or(1, |t| t.id + 1);
    let name = std::thread::current()
        .name()
        .map_or_else(|| format!("thread {id}"), str::to_owned);
    let thread = Arc::new(Thread {
        id,
        name,
        buffer: Mutex::default(),
    });
    threads.push(Arc::clone(&thread));
    thread
}

/// Spans that were dropped because a thread had more than [`SPANS_PER_THREAD`].
pub fn dropped() -> u64 {
    lock(&THREADS).iter().map(|t| lock(&t.buffer).dropped).sum()
}

/// Writes the recorded spans as a JSON array, one event a line: by thread, then by start, the enclosing span first.
///
/// # Errors
/// Those of the file system.
pub fn write(path: impl AsRef<Path>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write_to(&mut file)?;
    file.flush()
}

/// What [`write()`] writes, as text.
pub fn to_json() -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and JSON is UTF-8.
    let _ = write_to(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write_to(out: &mut impl Write) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(out, LineFormatter);
    let mut array = json.serialize_seq(None)?;
    for thread in lock(&THREADS).iter() {
        let mut events = lock(&thread.buffer).events.clone();
        if events.is_empty() {
            continue;
        }
        events.sort_by_key(|e| (e.start_ns, u64::MAX - e.duration_ns));
        array.serialize_element(&ThreadName(thread))?;
        for event in &events {
            array.serialize_element(&Line {
                event,
                thread: thread.id,
            })?;
        }
    }
    SerializeSeq::end(array)?;
    Ok(())
}

/// Puts every element of the outer array on its own line.
#[derive(Debug)]
struct LineFormatter;

impl serde_json::ser::Formatter for LineFormatter {
    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"\n" } else { b",\n" })
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n]\n")
    }
}

struct ThreadName<'a>(&'a Thread);

impl serde::Serialize for ThreadName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", "thread_name")?;
        map.serialize_entry("ph", "M")?;
        map.serialize_entry("pid", &std::process::id())?;
        map.serialize_entry("tid", &self.0.id)?;
        map.serialize_entry(
            "args",
            &std::collections::BTreeMap::from([("name", &self.0.name)]),
        )?;
        map.end()
    }
}

struct Line<'a> {
    event: &'a Event,
    thread: u64,
}

impl serde::Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let microseconds = |ns: u64| ns as f64 / 1e3;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.event.name)?;
        map.serialize_entry("ph", "X")?;
        map.serialize_entry("ts", &microseconds(self.event.start_ns))?;
        map.serialize_entry("dur", &microseconds(self.event.duration_ns))?;
        map.serialize_entry("pid", &std::process::id())?;
        map.serialize_entry("tid", &self.thread)?;
        if let Some((key, value)) = self.event.arg {
            map.serialize_entry("args", &std::collections::BTreeMap::from([(key, value)]))?;
        }
        map.end()
    }
}

/// Records `tracing` spans too: each time a span is entered and left becomes one event.
///
/// Add it to a subscriber once; it does nothing while recording is off.
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
/// let subscriber = tracing_subscriber::registry().with(gradus_train::trace::TraceLayer);
/// tracing::subscriber::with_default(subscriber, || tracing::info_span!("load").in_scope(|| ()));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

/// The open guards of a `tracing` span, one a thread that is inside.
#[derive(Debug, Default)]
struct Entered(Vec<(std::thread::ThreadId, Span)>);

impl<S> tracing_subscriber::Layer<S> for TraceLayer
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_enter(&self, id: &tracing::span::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        let Some(span) = context.span(id).filter(|_| is_on()) else {
            return;
        };
        let guard = self::span(span.metadata().name());
        let mut extensions = span.extensions_mut();
        if extensions.get_mut::<Entered>().is_none() {
            extensions.insert(Entered::default());
        }
        if let Some(entered) = extensions.get_mut::<Entered>() {
            entered.0.push((std::thread::current().id(), guard));
        }
    }

    fn on_exit(&self, id: &tracing::span::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let thread = std::thread::current().id();
        let mut extensions = span.extensions_mut();
        if let Some(Entered(guards)) = extensions.get_mut::<Entered>()
            && let Some(i) = guards.iter().rposition(|g| g.0 == thread)
        {
            drop(guards.remove(i));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::{TraceLayer, lock, span, span_named, span_with, start, stop, to_json, write};

    /// Recording is process-wide: one test at a time, and names that start with `t.`, since other tests may open spans.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        lock(&ALONE)
    }

    fn complete() -> Vec<Value> {
        let all: Vec<Value> = serde_json::from_str(&to_json()).expect("a JSON array");
        let own =
            |e: &Value| e["ph"] == "X" && e["name"].as_str().is_some_and(|n| n.starts_with("t."));
        all.into_iter().filter(own).collect()
    }

    fn range(events: &[Value], name: &str) -> (f64, f64, u64) {
        let e = events
            .iter()
            .find(|e| e["name"] == name)
            .unwrap_or_else(|| panic!("{name} was recorded"));
        let start = e["ts"].as_f64().expect("a number");
        (
            start,
            start + e["dur"].as_f64().expect("a number"),
            e["tid"].as_u64().expect("an id"),
        )
    }

    #[test]
    fn spans_nest_in_time() {
        let _alone = alone();
        start();
        {
            let _step = span_with("t.step", "index", 7);
            {
                let _forward = span("t.forward");
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            let _backward = span_named(|| format!("t.backward \"{}\"", 1));
        }
        stop();
        let events = complete();
        assert_eq!(events.len(), 3);
        assert_eq!(
            (&events[0]["name"], &events[0]["args"]["index"]),
            (&"t.step".into(), &7.into()),
            "the outer span comes first"
        );
        let (step, forward, backward) = (
            range(&events, "t.step"),
            range(&events, "t.forward"),
            range(&events, "t.backward \"1\""),
        );
        assert!(step.0 <= forward.0 && forward.1 <= backward.0 && backward.1 <= step.1 + 1e-3);
        assert!(forward.1 - forward.0 >= 2000.0, "microseconds");
        assert_eq!(step.2, backward.2);
    }

    #[test]
    fn off_means_nothing_recorded() {
        let _alone = alone();
        start();
        stop();
        drop(span("t.no"));
        drop(span_named(|| panic!("the name is not made")));
        assert_eq!(complete().len(), 0);
        assert_eq!(
            serde_json::from_str::<Value>(&to_json()).expect("JSON"),
            Value::Array(vec![])
        );
        let before = span("t.opened while off");
        start();
        drop(before);
        let across = span("t.opened before a new start");
        start();
        drop(across);
        let open = span("t.still open at the stop");
        stop();
        drop(open);
        assert_eq!(complete().len(), 0);
    }

    #[test]
    fn threads_have_their_own_ids_and_names() {
        let _alone = alone();
        start();
        drop(span("t.here"));
        let worker = std::thread::Builder::new()
            .name("loader 0".into())
            .spawn(|| drop(span("t.there")))
            .expect("spawns");
        worker.join().expect("no panic");
        stop();
        let events = complete();
        assert_ne!(range(&events, "t.here").2, range(&events, "t.there").2);
        let all: Vec<Value> = serde_json::from_str(&to_json()).expect("JSON");
        let name = all
            .iter()
            .find(|e| e["ph"] == "M" && e["args"]["name"] == "loader 0")
            .expect("the thread is named");
        assert_eq!(name["tid"].as_u64(), Some(range(&events, "t.there").2));
    }

    #[test]
    fn writes_a_file_and_forgets_on_start() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("trace.json");
        start();
        drop(span("t.one"));
        stop();
        write(&path).expect("writes");
        let text = std::fs::read_to_string(&path).expect("reads");
        assert_eq!(text, to_json());
        assert!(
            text.starts_with("[\n{\"name\":\"thread_name\"") && text.ends_with("}\n]\n"),
            "{text}"
        );
        start();
        stop();
        assert_eq!(complete().len(), 0);
        assert!(write(dir.path().join("no/dir.json")).is_err());
    }

    #[test]
    fn tracing_spans_are_recorded_too() {
        let _alone = alone();
        let subscriber = tracing_subscriber::registry().with(TraceLayer);
        tracing::subscriber::with_default(subscriber, || {
            start();
            tracing::info_span!("t.epoch")
                .in_scope(|| tracing::info_span!("t.batch").in_scope(|| ()));
            stop();
            tracing::info_span!("t.late").in_scope(|| ());
        });
        let events = complete();
        let (epoch, batch) = (range(&events, "t.epoch"), range(&events, "t.batch"));
        assert!(epoch.0 <= batch.0 && batch.1 <= epoch.1 + 1e-3);
        assert_eq!(events.len(), 2);
    }
}
