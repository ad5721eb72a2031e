//! Naive f64 references, view generators and tolerances for tests.
#![forbid(unsafe_code)]
