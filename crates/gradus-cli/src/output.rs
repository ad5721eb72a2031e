//! Writing to stdout and stderr: results fail if they cannot be written, messages do not.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// A line on stdout.
///
/// # Errors
/// Those of writing; a closed pipe ends the program without a fuss.
pub(crate) fn line(text: impl fmt::Display) -> anyhow::Result<()> {
    text_of(format_args!("{text}\n"))
}

/// Text on stdout as it is.
///
/// # Errors
/// Those of writing.
pub(crate) fn text_of(text: impl fmt::Display) -> anyhow::Result<()> {
    bytes(text.to_string().as_bytes())
}

/// Bytes on stdout.
///
/// # Errors
/// Those of writing.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// A JSON object on a line of its own on stdout.
///
/// # Errors
/// Those of writing.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A line on stderr. If nobody can read it, so be it.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
