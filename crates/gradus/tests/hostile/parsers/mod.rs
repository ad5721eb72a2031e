//! All parsers of the libraries.

mod data;
mod run;
mod text;
mod weights;

pub(crate) use data::*;
pub(crate) use run::*;
pub(crate) use text::*;
pub(crate) use weights::*;

/// An error as its message, for `map_err`.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
