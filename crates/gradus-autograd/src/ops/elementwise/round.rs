//! Rounding to the nearest.

use crate::ops::support::lean::{Lean, lean, no_slope};
use crate::registry::templates::draw_x;
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const ROUND: Lean = Lean {
    name: "round",
    value: |x, [up, down, _]| match () {
        () if up != 1.0 => (x * up).round_ties_even() / up,
        () if down != 1.0 => (x / down).round_ties_even() * down,
        () => x.round_ties_even(),
    },
    keeps: None,
    grad: no_slope,
};

impl Var {
    /// The nearest number with so many decimals, ties to an even last one: 0 decimals is PyTorch's default, -1 rounds to tens.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact for 0 decimals; else as `round(x · 10^n) / 10^n` in f64, rounded once more. f32 or f64.
    ///
    /// # Gradient
    /// 0 everywhere, also at the steps. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.round`.
    pub fn round(&self, decimals: i64) -> Result<Self> {
        let (up, down) = (decimals.max(0), decimals.min(0).saturating_neg());
        let power = |n: i64| 10_f64.powf(n as f64);
        lean(ROUND, [power(up), power(down), 0.0], self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("round", |a| {
        Ok(one(a.var("x")?.round(a.int("decimals")?)?))
    })
    .input("x", Kind::Float)
    .attr("decimals", AttrType::Int, 0)
    .kinked()
    .reference(|a| {
        let unit = 10_f64.powi(-(a.int("decimals")? as i32));
        let nearest = |x: f64| {
            (x / unit).floor()
                + if (x / unit).fract().rem_euclid(1.0) > 0.5 {
                    1.0
                } else {
                    0.0
                }
        };
        Ok(vec![a.dense("x")?.map(|x| nearest(x) * unit)])
    })
    .draw(|d| {
        let decimals = d.pick(&[0, 0, 1, -1]);
        let values = match decimals {
            0 => Values::REAL.away(&[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]),
            1 => Values::between(0.26, 0.34),
            _ => Values::between(6.0, 14.0),
        };
        Ok(draw_x(d, values)?.attr("decimals", decimals))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn ties_go_to_even() {
        let x = constant(&[0.5_f64, 1.5, -2.5, 2.5, f64::INFINITY], 5);
        assert_eq!(
            values(&x.round(0).unwrap()),
            [0.0, 2.0, -2.0, 2.0, f64::INFINITY]
        );
        assert_eq!(
            values(&constant(&[25.0_f64, 35.0], 2).round(-1).unwrap()),
            [20.0, 40.0]
        );
        assert_eq!(values(&constant(&[0.125_f64], 1).round(2).unwrap()), [0.12]);
    }
}
