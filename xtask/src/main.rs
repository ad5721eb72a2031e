//! The project's own tasks: CI, house rules, layers, benchmarks, interoperation.
#![forbid(unsafe_code)]

fn main() {}
