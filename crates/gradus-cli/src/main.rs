//! The `gradus` command.
#![forbid(unsafe_code)]

fn main() {}
