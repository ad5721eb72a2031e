//! What a run tells while it goes on. The command line shows it; the library prints nothing.

use std::time::Duration;

use crate::metrics::EvalReport;

/// What is about to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run directory.
    pub run: std::path::PathBuf,
    /// The model's name.
    pub model: String,
    /// How many numbers are trained.
    pub parameters: usize,
    /// The data set's name.
    pub data: String,
    /// Training samples.
    pub samples: usize,
    /// What a sample is, in the plural: `images`, `texts`, ….
    pub unit: &'static str,
    /// Optimizer steps in all.
    pub steps: u64,
    /// Steps done before, if the run was resumed.
    pub resumed_from: Option<u64>,
}

/// A step that was done.
#[derive(Clone, Copy, Debug)]
pub struct StepInfo {
    /// Steps done.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The step's loss.
    pub loss: f64,
    /// The step's learning rate.
    pub lr: f64,
    /// Samples of the step.
    pub examples: usize,
}

/// Listens to a run.
pub trait Observer: Send {
    /// The run begins.
    fn started(&mut self, _plan: &Plan) {}
    /// A step was done.
    fn stepped(&mut self, _info: &StepInfo) {}
    /// A split was scored.
    fn evaluated(&mut self, _split: &str, _step: u64, _epoch: u64, _report: &EvalReport) {}
    /// The checkpoint of a step was committed; writing it took so long.
    fn saved(&mut self, _step: u64, _took: Duration) {}
    /// Something the user should know.
    fn warn(&mut self, _message: &str) {}
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
