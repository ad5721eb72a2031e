//! The one-cycle schedule.

use super::Schedule;

/// Up from `base / start_div` to `base`, then down to `base / start_div / end_div`, each by half a cosine.
///
/// `torch.optim.lr_scheduler.OneCycleLR` with `max_lr = base`, two phases, cosine annealing and no momentum cycle.
/// Smith and Topin 2018, arXiv:1708.07120.
#[derive(Clone, Copy, Debug)]
pub struct OneCycle {
    /// How many steps the cycle has.
    pub total: u64,
    /// The part of the cycle in which the rate rises. PyTorch's default is 0.3.
    pub rise: f64,
    /// PyTorch's `div_factor`; its default is 25.
    pub start_div: f64,
    /// PyTorch's `final_div_factor`; its default is 10,000.
    pub end_div: f64,
}

impl OneCycle {
    /// A cycle with PyTorch's defaults.
    pub fn new(total: u64) -> Self {
        Self {
            total,
            rise: 0.3,
            start_div: 25.0,
            end_div: 1e4,
        }
    }
}

impl Schedule for OneCycle {
    fn lr(&self, base: f64, t: u64) -> f64 {
        let last = self.total.saturating_sub(1) as f64;
        let peak = (self.rise * self.total as f64 - 1.0).max(0.0);
        let t = (t as f64).min(last);
        let start = base / self.start_div;
        if t <= peak {
            return anneal(start, base, if peak > 0.0 { t / peak } else { 1.0 });
        }
        anneal(base, start / self.end_div, (t - peak) / (last - peak))
    }
}

/// Half a cosine from `from` to `to`.
fn anneal(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_torch() {
        // Rates of OneCycleLR(SGD([p], lr=1.0), max_lr=1.0, total_steps=10), read before each step; torch 2.15.
        let expected = [
            0.040000000000000036,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362893,
            0.38874197806371075,
            0.18825834605023697,
            0.049519367986526286,
            4e-06,
        ];
        let schedule = OneCycle::new(10);
        for (t, expected) in expected.into_iter().enumerate() {
            let found = schedule.lr(1.0, t as u64);
            assert!((found - expected).abs() < 1e-12, "{t}: {found} {expected}");
        }
        assert_eq!(schedule.lr(1.0, 50), schedule.lr(1.0, 9));
    }
}
