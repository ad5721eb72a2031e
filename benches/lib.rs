//! Criterion benchmarks of the workspace live in this package; it exports nothing.
#![forbid(unsafe_code)]
