//! What the workspace is measured on: the workloads of `cargo xtask bench`, beside the criterion benches in `benches/`.
#![forbid(unsafe_code)]

pub mod workloads;
