//! Linear units with two limits.

use gradus_linalg::Float;

use crate::ops::support::require;
use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Hardtanh {
    min: f64,
    max: f64,
}

impl Function for Hardtanh {
    const NAME: &'static str = "hardtanh";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.maximum(T::from_f64(self.min))
            .minimum(T::from_f64(self.max))
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x > T::from_f64(self.min) && x < T::from_f64(self.max) {
            grad_out
        } else {
            T::ZERO
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// `x` limited to `min..=max`; PyTorch's defaults are -1 and 1. It differs from [`Var::clamp`] in the gradient
    /// at the limits.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact; NaN stays NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` strictly between the limits, else 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `min > max` or one is NaN; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-3.0_f64, 0.5, 3.0], [3])?);
    /// assert_eq!(x.hardtanh(-1.0, 1.0)?.tensor().to_vec::<f64>()?, [-1.0, 0.5, 1.0]);
    /// assert_eq!(x.relu6()?.tensor().to_vec::<f64>()?, [0.0, 0.5, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.hardtanh`.
    pub fn hardtanh(&self, min: f64, max: f64) -> Result<Self> {
        require(min <= max, "hardtanh", "min", "at most max", min)?;
        unary(Hardtanh { min, max }, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("hardtanh", |a| {
        let min_val = a.float("min_val")?;
        let max_val = a.float("max_val")?;
        Ok(one(a.var("x")?.hardtanh(min_val, max_val)?))
    })
    .input("x", Kind::Float)
    .attr("min_val", AttrType::Float, -1.0)
    .attr("max_val", AttrType::Float, 1.0)
    .kinked()
    .reference(|a| {
        let min_val = a.float("min_val")?;
        let max_val = a.float("max_val")?;
        Ok(vec![
            a.dense("x")?.map(|x: f64| x.max(min_val).min(max_val)),
        ])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let (min, max) = d.pick(&[(-1.0, 1.0), (-2.0, 1.0), (1.0, 2.0)]);
        let x = d.floats(&dims, Values::REAL.away(&[-2.0, -1.0, 1.0, 2.0]))?;
        Ok(Args::new()
            .with("x", x)
            .attr("min_val", min)
            .attr("max_val", max))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_limits_out_of_order() {
        assert!(constant(&[1.0_f64], 1).hardtanh(1.0, -1.0).is_err());
    }
}
