//! The training loop, metrics, TensorBoard events, report and resume.
//!
//! - [`metrics`]: streaming metrics of a classifier and the report of an evaluation
//! - [`jsonl`]: `metrics.jsonl`, one record a line
//!
//! Nothing here prints: the CLI owns the terminal.
#![forbid(unsafe_code)]

pub mod jsonl;
pub mod metrics;
