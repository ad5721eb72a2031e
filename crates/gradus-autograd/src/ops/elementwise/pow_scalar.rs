//! Powers with a fixed exponent.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, chain, chain_var, unary};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct PowScalar {
    exponent: f64,
}

impl Function for PowScalar {
    const NAME: &'static str = "pow_scalar";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        x.powf(T::from_f64(self.exponent))
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if self.exponent == 0.0 {
            return T::ZERO;
        }
        let below = x.powf(T::from_f64(self.exponent - 1.0));
        chain(grad_out, T::from_f64(self.exponent) * below)
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        if self.exponent == 0.0 {
            return grad_out.mul_scalar(0.0);
        }
        chain_var(
            grad_out,
            &x.pow_scalar(self.exponent - 1.0)?
                .mul_scalar(self.exponent)?,
        )
    }
}

impl Var {
    /// Each element to the power `exponent`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// One call of the power function, with the special cases of IEEE 754: `x^0 = 1` also for 0 and NaN, a negative
    /// `x` to a broken power is NaN. An exponent of 2 or -1 goes through [`Var::square`] or [`Var::reciprocal`], which
    /// are faster. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · exponent · x^(exponent - 1)`; 0 if the exponent is 0, also at `x = 0`. A zero `grad_out` stays 0
    /// where the derivative is infinite. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[4.0_f64, 9.0], [2])?);
    /// assert_eq!(x.pow_scalar(1.5)?.tensor().to_vec::<f64>()?, [8.0, 27.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.pow` with a number as exponent.
    pub fn pow_scalar(&self, exponent: f64) -> Result<Self> {
        if exponent == 2.0 {
            return self.square();
        }
        if exponent == -1.0 {
            return self.reciprocal();
        }
        unary(PowScalar { exponent }, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("pow_scalar", |a| {
        let exponent = a.float("exponent")?;
        Ok(one(a.var("x")?.pow_scalar(exponent)?))
    })
    .input("x", Kind::Float)
    .required("exponent", AttrType::Float)
    .reference(|a| {
        let exponent = a.float("exponent")?;
        Ok(vec![a.dense("x")?.map(|x: f64| x.powf(exponent))])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let exponent = d.pick(&[2.5, -2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, -1.0]);
        let whole = exponent == 3.0 || exponent == 2.0 || exponent == 0.0;
        let values = if whole {
            Values::NONZERO
        } else {
            Values::POSITIVE
        };
        Ok(Args::new()
            .with("x", d.floats(&dims, values)?)
            .attr("exponent", exponent))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_16_power_0_at_0_has_gradient_0() {
        let x = leaf(&[0.0_f64, -1.0, 2.0], 3);
        let y = x.pow_scalar(0.0).unwrap();
        assert_eq!(values(&y), [1.0; 3]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 3]
        );
    }
}
