//! Softplus.

use gradus_linalg::Float;

use crate::ops::support::is_positive;
use crate::ops::support::require;
use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct Softplus {
    beta: f64,
    threshold: f64,
}

impl Function for Softplus {
    const NAME: &'static str = "softplus";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        let z = T::from_f64(self.beta) * x;
        if z > T::from_f64(self.threshold) {
            x
        } else {
            (z.maximum(T::ZERO) + (-z.abs()).exp().ln_1p()) / T::from_f64(self.beta)
        }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        let z = T::from_f64(self.beta) * x;
        if z > T::from_f64(self.threshold) {
            grad_out
        } else {
            grad_out * z.sigmoid()
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let z = x.mul_scalar(self.beta)?;
        let linear = is_positive(z.add_scalar(-self.threshold)?.tensor())?;
        grad_out.where_(&linear, &grad_out.mul(&z.sigmoid()?)?)
    }
}

impl Var {
    /// A smooth form of [`Var::relu`]: `ln(1 + e^(beta · x)) / beta`, and `x` itself where `beta · x > threshold`.
    /// PyTorch's defaults are `beta = 1`, `threshold = 20`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// As `max(z, 0) + ln(1 + e^-|z|)`, without overflow for any threshold. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sigmoid(beta · x)`, and `grad_out` above the threshold. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `beta` is not above 0; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0], [2])?);
    /// assert_eq!(x.softplus(1.0, 20.0)?.tensor().to_vec::<f64>()?, [std::f64::consts::LN_2, 1000.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.softplus`.
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Self> {
        require(beta > 0.0, "softplus", "beta", "above 0", beta)?;
        unary(Softplus { beta, threshold }, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("softplus", |a| {
        let beta = a.float("beta")?;
        let threshold = a.float("threshold")?;
        Ok(one(a.var("x")?.softplus(beta, threshold)?))
    })
    .input("x", Kind::Float)
    .attr("beta", AttrType::Float, 1.0)
    .attr("threshold", AttrType::Float, 20.0)
    .reference(|a| {
        let beta = a.float("beta")?;
        let threshold = a.float("threshold")?;
        Ok(vec![a.dense("x")?.map(|x: f64| {
            let z = beta * x;
            if z > threshold {
                x
            } else {
                z.exp().ln_1p() / beta
            }
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let (beta, threshold) = d.pick(&[(1.0, 20.0), (3.0, 20.0), (3.0, 3.0), (0.5, 1.0)]);
        let x = d.floats(&dims, Values::REAL.away(&[1.0, 2.0]))?;
        Ok(Args::new()
            .with("x", x)
            .attr("beta", beta)
            .attr("threshold", threshold))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_beta_of_zero() {
        assert!(constant(&[1.0_f64], 1).softplus(0.0, 20.0).is_err());
        assert!(constant(&[1.0_f64], 1).softplus(f64::NAN, 20.0).is_err());
    }

    #[test]
    fn museum_17_derivatives_at_0_and_at_the_threshold() {
        let slope = |at: f64, beta, threshold| {
            let x = leaf(&[at], 1);
            let grads = x.softplus(beta, threshold).unwrap().backward().unwrap();
            grads.get_var(&x).unwrap().item::<f64>().unwrap()
        };
        assert_eq!(slope(0.0, 1.0, 20.0), 0.5);
        assert!((slope(0.2736, 3.0, 1.0) - 0.694_406_15).abs() < 1e-6);
        assert_eq!(slope(0.4, 3.0, 1.0), 1.0);
    }
}
