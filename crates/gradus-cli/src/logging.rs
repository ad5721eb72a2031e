//! Logs of the libraries, on stderr: what `RUST_LOG` asks for, else warnings.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging. `quiet` leaves errors only, unless `RUST_LOG` says otherwise.
pub(crate) fn start(quiet: bool) {
    let otherwise = if quiet { "error" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(otherwise));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours())
        .try_init();
    // It fails only if logging was started before, and then it is there.
    drop(started);
}

/// Whether stderr may be coloured: it is a terminal, and `NO_COLOR` is not set (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the caller asked for logs, which a moving bar would disturb.
pub(crate) fn asked_for() -> bool {
    std::env::var_os("RUST_LOG").is_some_and(|value| !value.is_empty())
}
