//! Linear warm-up before any other schedule.

use super::Schedule;

/// Rises linearly to the rate of `then` over `steps`, and then follows it.
///
/// At time `t < steps` the rate is `(t + 1) / (steps + 1)` of `then` at its start, so that no step has rate 0. `then`
/// counts from the end of the warm-up. Goyal et al. 2017, arXiv:1706.02677, §2.2.
#[derive(Debug)]
pub struct Warmup {
    /// How long the rate rises.
    pub steps: u64,
    /// What follows.
    pub then: Box<dyn Schedule>,
}

impl Schedule for Warmup {
    fn lr(&self, base: f64, t: u64) -> f64 {
        if t < self.steps {
            return self.then.lr(base, 0) * (t + 1) as f64 / (self.steps + 1) as f64;
        }
        self.then.lr(base, t - self.steps)
    }

    fn observe(&mut self, metric: f64) {
        self.then.observe(metric);
    }

    fn state(&self) -> Vec<f64> {
        self.then.state()
    }

    fn load_state(&mut self, state: &[f64]) {
        self.then.load_state(state);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cosine, Exponential};
    use super::*;

    #[test]
    fn rises_then_follows() {
        let schedule = Warmup {
            steps: 3,
            then: Box::new(Exponential { gamma: 0.5 }),
        };
        let rates: Vec<f64> = (0..6).map(|t| schedule.lr(4.0, t)).collect();
        assert_eq!(rates, [1.0, 2.0, 3.0, 4.0, 2.0, 1.0]);
        let none = Warmup {
            steps: 0,
            then: Box::new(Cosine { total: 2, min: 0.0 }),
        };
        assert_eq!(none.lr(1.0, 0), 1.0);
    }
}
