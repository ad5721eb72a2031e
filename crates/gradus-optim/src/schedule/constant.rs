//! The constant schedule.

use super::Schedule;

/// The optimizer's own rate at all times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Constant;

impl Schedule for Constant {
    fn lr(&self, base: f64, _t: u64) -> f64 {
        base
    }
}
