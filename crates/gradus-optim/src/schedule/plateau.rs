//! The plateau schedule, which listens to a metric.

use super::Schedule;

/// The options of [`Plateau`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct PlateauConfig {
    /// Whether a higher metric is better. Default: no.
    pub maximize: bool,
    /// The rate is multiplied by this. Default: 0.1.
    pub factor: f64,
    /// Evaluations without improvement that are still borne. Default: 10.
    pub patience: u64,
    /// The relative improvement that counts. Default: 1e-4.
    pub threshold: f64,
    /// Evaluations after a cut that are not counted. Default: 0.
    pub cooldown: u64,
    /// The lowest factor in all. Default: 0.
    pub min_factor: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self {
            maximize: false,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            min_factor: 0.0,
        }
    }
}

/// Cuts the rate when the metric has stopped improving; `torch.optim.lr_scheduler.ReduceLROnPlateau` with a relative
/// threshold. A metric that is NaN counts as no improvement.
#[derive(Clone, Debug)]
pub struct Plateau {
    config: PlateauConfig,
    scale: f64,
    best: Option<f64>,
    bad: u64,
    cooling: u64,
}

impl Plateau {
    /// A schedule that has seen nothing yet.
    pub fn new(config: PlateauConfig) -> Self {
        Self {
            config,
            scale: 1.0,
            best: None,
            bad: 0,
            cooling: 0,
        }
    }

    fn improves(&self, metric: f64) -> bool {
        let Some(best) = self.best else {
            return !metric.is_nan();
        };
        if self.config.maximize {
            metric > best + best.abs() * self.config.threshold
        } else {
            metric < best - best.abs() * self.config.threshold
        }
    }
}

impl Schedule for Plateau {
    fn lr(&self, base: f64, _t: u64) -> f64 {
        base * self.scale
    }

    fn observe(&mut self, metric: f64) {
        if self.improves(metric) {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad > self.config.patience {
            self.scale = (self.scale * self.config.factor).max(self.config.min_factor);
            self.cooling = self.config.cooldown;
            self.bad = 0;
        }
    }

    fn state(&self) -> Vec<f64> {
        vec![
            self.scale,
            self.best.unwrap_or(f64::NAN),
            self.bad as f64,
            self.cooling as f64,
        ]
    }

    fn load_state(&mut self, state: &[f64]) {
        if let &[scale, best, bad, cooling] = state {
            self.scale = scale;
            self.best = (!best.is_nan()).then_some(best);
            (self.bad, self.cooling) = (bad as u64, cooling as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_after_patience_and_rests_in_cooldown() {
        let config = PlateauConfig {
            patience: 1,
            cooldown: 2,
            factor: 0.5,
            ..Default::default()
        };
        let mut schedule = Plateau::new(config);
        let mut rates = Vec::new();
        for metric in [1.0, 0.9, 0.9, 0.95, 0.95, 0.95, 0.95, f64::NAN] {
            schedule.observe(metric);
            rates.push(schedule.lr(1.0, 0));
        }
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn state_round_trips() {
        let config = PlateauConfig {
            patience: 0,
            maximize: true,
            ..Default::default()
        };
        let mut a = Plateau::new(config);
        [0.5, 0.4, 0.6, 0.3]
            .into_iter()
            .for_each(|metric| a.observe(metric));
        let mut b = Plateau::new(config);
        b.load_state(&a.state());
        for metric in [0.7, 0.6, 0.5] {
            a.observe(metric);
            b.observe(metric);
            assert_eq!(a.lr(1.0, 0), b.lr(1.0, 0));
        }
    }
}
