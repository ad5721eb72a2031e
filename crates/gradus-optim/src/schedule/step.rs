//! The step schedule.

use super::Schedule;

/// Multiplied by `gamma` every `size`: `base · gamma^⌊t / size⌋`; `torch.optim.lr_scheduler.StepLR`.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How long a rate stays.
    pub size: u64,
    /// The factor. PyTorch's default is 0.1.
    pub gamma: f64,
}

impl Schedule for Step {
    fn lr(&self, base: f64, t: u64) -> f64 {
        base * self.gamma.powf((t / self.size.max(1)) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_its_formula() {
        let schedule = Step {
            size: 3,
            gamma: 0.1,
        };
        let rates: Vec<f64> = (0..7).map(|t| schedule.lr(1.0, t)).collect();
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1_f64.powf(2.0)]);
    }
}
