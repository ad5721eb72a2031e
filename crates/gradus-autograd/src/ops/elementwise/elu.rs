//! Exponential linear units.

use gradus_linalg::Float;

use crate::ops::support::is_positive;
use crate::ops::support::unary::{Function, Keeps, unary};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

/// `x` where it is above 0, else `alpha · (e^(steep · x) - 1)`, both times `scale`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elu {
    pub(super) alpha: f64,
    pub(super) steep: f64,
    pub(super) scale: f64,
}

impl Function for Elu {
    const NAME: &'static str = "elu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        if x > T::ZERO {
            T::from_f64(self.scale) * x
        } else {
            let steep = T::from_f64(self.steep) * x.minimum(T::ZERO);
            T::from_f64(self.scale * self.alpha) * steep.exp_m1()
        }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x > T::ZERO {
            T::from_f64(self.scale) * grad_out
        } else {
            let steep = T::from_f64(self.steep) * x.minimum(T::ZERO);
            grad_out * (T::from_f64(self.scale * self.alpha * self.steep) * steep.exp())
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        let steep = x.clamp(None, Some(0.0))?.mul_scalar(self.steep)?;
        let slope = self.scale * self.alpha * self.steep;
        let curve = grad_out.mul(&steep.exp()?.mul_scalar(slope)?)?;
        let line = grad_out.mul_scalar(self.scale)?;
        line.where_(&is_positive(x.tensor())?, &curve)
    }
}

impl Var {
    /// The exponential linear unit: `x` where it is above 0, else `alpha · (e^x - 1)`. PyTorch's default `alpha` is
    /// 1.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// `e^x - 1` without loss near 0; large `x` do not overflow. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > 0`, else `grad_out · alpha · e^x`, also at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-1000.0_f64, 0.0, 3.0], [3])?);
    /// assert_eq!(x.elu(1.0)?.tensor().to_vec::<f64>()?, [-1.0, 0.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.elu`. Clevert et al. 2015, arXiv:1511.07289.
    pub fn elu(&self, alpha: f64) -> Result<Self> {
        let elu = Elu {
            alpha,
            steep: 1.0,
            scale: 1.0,
        };
        unary(elu, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("elu", |a| {
        let alpha = a.float("alpha")?;
        Ok(one(a.var("x")?.elu(alpha)?))
    })
    .input("x", Kind::Float)
    .attr("alpha", AttrType::Float, 1.0)
    .reference(|a| {
        let alpha = a.float("alpha")?;
        Ok(vec![a.dense("x")?.map(|x: f64| {
            if x > 0.0 { x } else { alpha * x.exp_m1() }
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let alpha = d.pick(&[1.0, 1.3, 0.5, -0.7]);
        let x = d.floats(&dims, Values::NONZERO)?;
        Ok(Args::new().with("x", x).attr("alpha", alpha))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_18_gradient_of_large_elements_is_1() {
        let x = leaf(&[1e4_f32, 200.0, -1e4], 3);
        let grads = x
            .elu(1.0)
            .unwrap()
            .sum(&[], false)
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [1.0, 1.0, 0.0]
        );
    }
}
