//! The cosine schedule.

use super::Schedule;

/// Half a cosine from `base` down to `min` over `total`, then `min` for good.
///
/// `min + (base - min) · (1 + cos(π · t / total)) / 2`; `torch.optim.lr_scheduler.CosineAnnealingLR` up to `total`
/// (which goes up again behind it). Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
#[derive(Clone, Copy, Debug)]
pub struct Cosine {
    /// When the rate reaches `min`.
    pub total: u64,
    /// The last rate. PyTorch's default is 0.
    pub min: f64,
}

impl Schedule for Cosine {
    fn lr(&self, base: f64, t: u64) -> f64 {
        let progress = t.min(self.total) as f64 / self.total.max(1) as f64;
        self.min + (base - self.min) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn museum_58_stays_down_at_the_end() {
        let schedule = Cosine {
            total: 10,
            min: 0.1,
        };
        assert_eq!(schedule.lr(1.0, 0), 1.0);
        assert!((schedule.lr(1.0, 5) - 0.55).abs() < 1e-15);
        for t in [10, 11, 15, 20, 1000] {
            assert!((schedule.lr(1.0, t) - 0.1).abs() < 1e-15, "{t}");
        }
        assert_eq!(Cosine { total: 0, min: 0.0 }.lr(1.0, 3), 1.0);
    }
}
