//! The polynomial schedule; with power 1 the linear one.

use super::Schedule;

/// `end + (base - end) · (1 - t / total)^power`, then `end` for good; `torch.optim.lr_scheduler.PolynomialLR`.
#[derive(Clone, Copy, Debug)]
pub struct Polynomial {
    /// When the rate reaches `end`.
    pub total: u64,
    /// The exponent; 1 is a straight line.
    pub power: f64,
    /// The last rate.
    pub end: f64,
}

impl Schedule for Polynomial {
    fn lr(&self, base: f64, t: u64) -> f64 {
        let progress = t.min(self.total) as f64 / self.total.max(1) as f64;
        self.end + (base - self.end) * (1.0 - progress).powf(self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_a_parabola() {
        assert_eq!(
            Polynomial {
                total: 4,
                power: 1.0,
                end: 0.0
            }
            .lr(1.0, 1),
            0.75
        );
        assert_eq!(
            Polynomial {
                total: 4,
                power: 2.0,
                end: 1.0
            }
            .lr(5.0, 2),
            2.0
        );
        assert_eq!(
            Polynomial {
                total: 4,
                power: 1.0,
                end: 0.5
            }
            .lr(1.0, 9),
            0.5
        );
    }
}
