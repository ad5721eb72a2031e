//! The multi-step schedule.

use super::Schedule;

/// Multiplied by `gamma` at each milestone; `torch.optim.lr_scheduler.MultiStepLR`.
#[derive(Clone, Debug)]
pub struct MultiStep {
    /// The times at which the rate falls. A time that stands twice counts twice.
    pub milestones: Vec<u64>,
    /// The factor. PyTorch's default is 0.1.
    pub gamma: f64,
}

impl Schedule for MultiStep {
    fn lr(&self, base: f64, t: u64) -> f64 {
        let passed = self
            .milestones
            .iter()
            .filter(|&&milestone| milestone <= t)
            .count();
        base * self.gamma.powf(passed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_at_the_milestones() {
        let schedule = MultiStep {
            milestones: vec![4, 2],
            gamma: 0.5,
        };
        let rates: Vec<f64> = (0..6).map(|t| schedule.lr(8.0, t)).collect();
        assert_eq!(rates, [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]);
    }
}
