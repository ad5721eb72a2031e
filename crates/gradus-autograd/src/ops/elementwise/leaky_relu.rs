//! Leaky rectified linear units.

use gradus_linalg::Float;

use crate::ops::support::unary::{Function, Keeps, piecewise_linear, unary};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

#[derive(Clone, Copy, Debug)]
struct LeakyRelu {
    negative_slope: f64,
}

impl Function for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const KEEPS: Keeps = Keeps::Input;

    #[inline(always)]
    fn value<T: Float>(self, x: T) -> T {
        if x > T::ZERO {
            x
        } else {
            T::from_f64(self.negative_slope) * x
        }
    }

    #[inline(always)]
    fn grad<T: Float>(self, grad_out: T, x: T) -> T {
        if x > T::ZERO {
            grad_out
        } else {
            T::from_f64(self.negative_slope) * grad_out
        }
    }

    fn grad_var(self, grad_out: &Var, x: &Var) -> Result<Var> {
        piecewise_linear(self, grad_out, x)
    }
}

impl Var {
    /// `x` where it is above 0, else `negative_slope · x`. PyTorch's default slope is 0.01.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// One rounding. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x > 0`, else `negative_slope · grad_out`, also at 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[-2.0_f64, 3.0], [2])?);
    /// assert_eq!(x.leaky_relu(0.5)?.tensor().to_vec::<f64>()?, [-1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.leaky_relu`.
    pub fn leaky_relu(&self, negative_slope: f64) -> Result<Self> {
        unary(LeakyRelu { negative_slope }, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("leaky_relu", |a| {
        let negative_slope = a.float("negative_slope")?;
        Ok(one(a.var("x")?.leaky_relu(negative_slope)?))
    })
    .input("x", Kind::Float)
    .attr("negative_slope", AttrType::Float, 0.01)
    .reference(|a| {
        let negative_slope = a.float("negative_slope")?;
        Ok(vec![a.dense("x")?.map(|x: f64| {
            if x > 0.0 { x } else { negative_slope * x }
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let slope = d.pick(&[0.01, 0.3, 0.0, -0.5]);
        let x = d.floats(&dims, Values::NONZERO)?;
        Ok(Args::new().with("x", x).attr("negative_slope", slope))
    })
}
