//! The exponential schedule.

use super::Schedule;

/// `base · gamma^t`; `torch.optim.lr_scheduler.ExponentialLR`.
#[derive(Clone, Copy, Debug)]
pub struct Exponential {
    /// The factor for each unit of time.
    pub gamma: f64,
}

impl Schedule for Exponential {
    fn lr(&self, base: f64, t: u64) -> f64 {
        base * self.gamma.powf(t as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_its_formula() {
        assert!((Exponential { gamma: 0.9 }.lr(2.0, 3) - 1.458).abs() < 1e-15);
    }
}
