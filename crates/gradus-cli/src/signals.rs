//! Ctrl-C and its relatives (SIGINT, SIGTERM, SIGHUP): the first stops at the next step, the second at once.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use anyhow::Context;

use crate::{exit, output};

static STOP: AtomicBool = AtomicBool::new(false);

/// Listens, and returns the flag that the first signal sets.
///
/// # Errors
/// If the system refuses.
pub(crate) fn stop_flag(quiet: bool) -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(move || on_signal(quiet)).context("cannot listen to Ctrl-C")?;
    Ok(&STOP)
}

fn on_signal(quiet: bool) {
    if STOP.swap(true, SeqCst) {
        stop_at_once();
    }
    if !quiet {
        // On a terminal the line of the `^C` is ended first.
        let end = if io::stderr().is_terminal() { "\n" } else { "" };
        output::note(format_args!(
            "{end}stopping after this step; once more stops at once"
        ));
    }
}

#[expect(
    clippy::exit,
    reason = "the second Ctrl-C must end the process from the thread that listens"
)]
fn stop_at_once() -> ! {
    std::process::exit(i32::from(exit::INTERRUPTED))
}
