//! Sequential reader over a strided layout.
