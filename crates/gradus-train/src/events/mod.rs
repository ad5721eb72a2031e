//! TensorBoard event files: written so that TensorBoard opens them, and read back with every length and checksum checked.
//!
//! An event file is a sequence of TFRecords ([`record`]), each holding one `Event` protobuf ([`proto`]), the first of which names the file
//! version. [`EventWriter`] writes scalars, histograms, texts and images; [`EventReader`] reads any event file.
//!
//! What this room refuses: the graph, profiler and embedding plugins, audio, and reading over a network.

mod error;
mod histogram;
pub mod proto;
mod reader;
pub mod record;
mod writer;

pub use error::EventError;
pub use histogram::Histogram;
pub use reader::{EventReader, Scalar, read, scalars};
pub use writer::{EventWriter, EventWriterConfig, FILE_VERSION};
