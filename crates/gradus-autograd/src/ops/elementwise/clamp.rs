//! Limits on both sides.

use gradus_linalg::Float;

use crate::ops::support::require;
use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::Attr;
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Clamp {
    min: Option<f64>,
    max: Option<f64>,
}

impl Function for Clamp {
    const NAME: &'static str = "clamp";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        let above = self.min.map_or(x, |min| x.maximum(T::from_f64(min)));
        self.max
            .map_or(above, |max| above.minimum(T::from_f64(max)))
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let above = self.min.is_none_or(|min| x > T::from_f64(min));
        let below = self.max.is_none_or(|max| x < T::from_f64(max));
        if above && below { grad_out } else { T::ZERO }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// `x` limited to `min..=max`, either of which may be absent. If `min > max`, all become `max`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` between the limits, else 0, also on them. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if a limit is NaN; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-3.0_f64, 0.5, 3.0], [3])?);
    /// assert_eq!(x.clamp(Some(-1.0), None)?.tensor().to_vec::<f64>()?, [-1.0, 0.5, 3.0]);
    /// assert_eq!(x.clamp(Some(-1.0), Some(1.0))?.tensor().to_vec::<f64>()?, [-1.0, 0.5, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.clamp`.
    pub fn clamp(&self, min: Option<f64>, max: Option<f64>) -> Result<Self> {
        for (name, limit) in [("min", min), ("max", max)] {
            let limit = limit.unwrap_or(0.0);
            require(!limit.is_nan(), "clamp", name, "a number", limit)?;
        }
        unary(Clamp { min, max }, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("clamp", |a| {
        let (min, max) = (a.opt("min", Args::float)?, a.opt("max", Args::float)?);
        Ok(one(a.var("x")?.clamp(min, max)?))
    })
    .input("x", Kind::Float)
    .attr("min", AttrType::Float, Attr::None)
    .attr("max", AttrType::Float, Attr::None)
    .kinked()
    .reference(|a| {
        let min = a.opt("min", Args::float)?.unwrap_or(f64::NEG_INFINITY);
        let max = a.opt("max", Args::float)?.unwrap_or(f64::INFINITY);
        Ok(vec![a.dense("x")?.map(|x| x.max(min).min(max))])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let (min, max) = d.pick(&[
            (Some(-1.0), None),
            (None, Some(1.0)),
            (Some(-1.0), Some(1.0)),
        ]);
        let x = d.floats(&dims, Values::REAL.away(&[-1.0, 1.0]))?;
        Ok(Args::new().with("x", x).attr("min", min).attr("max", max))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_limit_that_is_no_number() {
        assert!(constant(&[1.0_f64], 1).clamp(Some(f64::NAN), None).is_err());
    }

    #[test]
    fn the_limits_themselves_pass_no_gradient() {
        let slopes = |min, max| {
            let x = leaf(&[-1.0_f64, 0.5, 2.0], 3);
            let grads = x
                .clamp(min, max)
                .unwrap()
                .sum(&[], false)
                .unwrap()
                .backward()
                .unwrap();
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap()
        };
        assert_eq!(slopes(Some(-1.0), Some(2.0)), [0.0, 1.0, 0.0]);
        assert_eq!(slopes(None, Some(1.0)), [1.0, 1.0, 0.0]);
        assert_eq!(slopes(Some(1.0), Some(0.0)), [0.0; 3]);
    }
}
