//! The training loop, metrics, TensorBoard events, report and resume.
//!
//! - [`metrics`]: streaming metrics of a classifier and the report of an evaluation
//! - [`jsonl`]: `metrics.jsonl`, one record a line
//! - [`events`]: TensorBoard event files, written and read
//! - [`report`]: the self-contained `report.html` of a run
//! - [`trace`]: a Chrome trace of where the time went
//!
//! Nothing here prints: the CLI owns the terminal.
#![forbid(unsafe_code)]

pub mod events;
pub mod jsonl;
pub mod metrics;
pub mod report;
pub mod trace;
