//! Learning-rate schedules, one file each: functions of the step (or epoch, as the caller counts).

mod constant;
mod cosine;
mod exponential;
mod multistep;
mod one_cycle;
mod plateau;
mod polynomial;
mod step;
mod warmup;

use std::fmt::Debug;

pub use constant::Constant;
pub use cosine::Cosine;
pub use exponential::Exponential;
pub use multistep::MultiStep;
pub use one_cycle::OneCycle;
pub use plateau::{Plateau, PlateauConfig};
pub use polynomial::Polynomial;
pub use step::Step;
pub use warmup::Warmup;

/// A learning rate over time.
pub trait Schedule: Send + Sync + Debug {
    /// The learning rate at time `t`, counted from 0, for an optimizer whose own rate is `base`.
    fn lr(&self, base: f64, t: u64) -> f64;

    /// Told the metric of an evaluation. Only [`Plateau`] listens.
    fn observe(&mut self, _metric: f64) {}

    /// What a resumed run must put back; empty for pure functions of time.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Puts back what [`Schedule::state`] gave. Another number of values is ignored.
    fn load_state(&mut self, _state: &[f64]) {}
}
