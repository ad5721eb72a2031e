//! The training loop, metrics, TensorBoard events, report and resume.
//!
//! - [`config`]: every key of a run, documented and checked
//! - [`train`]: a run, from its configuration to its directory of results
//! - [`SavedModel`] and [`SavedText`]: a trained model, scored and used
//! - [`metrics`]: streaming metrics of a classifier and the report of an evaluation
//! - [`jsonl`]: `metrics.jsonl`, one record a line
//! - [`events`]: TensorBoard event files, written and read
//! - [`report`]: the self-contained `report.html` of a run
//! - [`trace`]: a Chrome trace of where the time went
//!
//! Nothing here prints: an [`Observer`] listens, and the CLI owns the terminal.
#![forbid(unsafe_code)]

pub mod config;
mod data;
mod error;
mod evaluate;
pub mod events;
pub mod jsonl;
mod log;
mod memory;
pub mod metrics;
mod nonfinite;
mod optimization;
mod progress;
pub mod report;
mod run;
mod run_report;
mod same_run;
mod saved;
mod saved_text;
mod saver;
mod state;
mod task;
pub mod trace;
mod trainer;

pub use data::{RunData, SplitData};
pub use error::{Result, TrainError};
pub use memory::MemoryEstimate;
pub use nonfinite::Origin;
pub use progress::{Observer, Plan, Silent, StepInfo};
pub use run::{Outcome, RunRequest, train};
pub use saved::{ModelCard, Prediction, SavedModel};
pub use saved_text::{SavedText, TextPrediction, WordPrediction};
