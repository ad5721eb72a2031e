//! How the program ends: exit codes, and errors as people read them.

use std::fmt;
use std::io;
use std::process::ExitCode;

use anyhow::Error;
use gradus_data::{DataError, TransformError};
use gradus_models::ModelError;
use gradus_text::TextError;
use gradus_train::TrainError;
use gradus_train::config::ConfigError;

use crate::output;

/// The exit code of failed work.
pub(crate) const FAILED: u8 = 1;
/// The exit code of wrong usage.
pub(crate) const USAGE: u8 = 2;
/// The exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// How a command ended, if it did not end with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is done.
    Done,
    /// Some of the work failed, and what failed has been said.
    Incomplete,
    /// The user stopped it.
    Interrupted,
}

/// The caller asked for something that makes no sense: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A usage error with this message.
pub(crate) fn usage(message: impl fmt::Display) -> Error {
    Usage(message.to_string()).into()
}

/// Says what went wrong, if anything did, and gives the exit code.
pub(crate) fn report(result: anyhow::Result<Ending>) -> ExitCode {
    let code = match result {
        Ok(Ending::Done) => return ExitCode::SUCCESS,
        Ok(Ending::Incomplete) => FAILED,
        Ok(Ending::Interrupted) => INTERRUPTED,
        // Whoever reads our output has seen enough.
        Err(error) if is_broken_pipe(&error) => return ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("error: {}", message(&error)));
            if is_usage(&error) { USAGE } else { FAILED }
        }
    };
    ExitCode::from(code)
}

/// The error with its causes on one line. A cause that its error's message shows already is not shown twice.
pub(crate) fn message(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = cause.to_string();
        if text.is_empty() {
            text = part;
        } else if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
    }
    text
}

fn is_broken_pipe(error: &Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether what was asked for is wrong, rather than what came of it.
fn is_usage(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<ConfigError>()
            || cause.downcast_ref::<TrainError>().is_some_and(train_usage)
            || cause.downcast_ref::<ModelError>().is_some_and(model_usage)
            || cause.downcast_ref::<DataError>().is_some_and(data_usage)
            || matches!(cause.downcast_ref(), Some(TextError::Argument { .. }))
    })
}

fn train_usage(error: &TrainError) -> bool {
    match error {
        TrainError::Config(_) | TrainError::ClassWeights { .. } => true,
        TrainError::Model(error) => model_usage(error),
        TrainError::Data(error) => data_usage(error),
        _ => false,
    }
}

fn model_usage(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::Unknown { .. }
            | ModelError::Input { .. }
            | ModelError::Head { .. }
            | ModelError::NotText { .. }
            | ModelError::NoTarget { .. }
    )
}

fn data_usage(error: &DataError) -> bool {
    match error {
        DataError::UnknownDataSet { .. } | DataError::Argument { .. } => true,
        DataError::Transform(error) => matches!(
            error,
            TransformError::Unknown { .. }
                | TransformError::UnknownArgument { .. }
                | TransformError::MissingArgument { .. }
                | TransformError::Argument { .. }
                | TransformError::Order { .. }
                | TransformError::NoToTensor
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_shown_once() {
        let io = || io::Error::from(io::ErrorKind::NotFound);
        let error = Error::from(TrainError::Io {
            path: "a/b".into(),
            action: "read",
            source: io(),
        });
        assert_eq!(message(&error), format!("a/b: cannot read: {}", io()));
        let error = Err::<(), _>(io()).context("a/b").unwrap_err();
        assert_eq!(message(&error), format!("a/b: {}", io()));
    }

    #[test]
    fn what_was_asked_for_and_what_came_of_it_differ() {
        assert!(is_usage(&usage("no")));
        assert!(is_usage(
            &Error::from(TrainError::Config(ConfigError::unknown_key("x"))).context("photos.toml")
        ));
        assert!(is_usage(
            &TrainError::Model(ModelError::Unknown { name: "x".into() }).into()
        ));
        assert!(!is_usage(
            &TrainError::RunExists { path: "x".into() }.into()
        ));
        assert!(is_broken_pipe(
            &io::Error::from(io::ErrorKind::BrokenPipe).into()
        ));
    }
}
