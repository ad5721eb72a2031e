//! Subtraction with broadcasting.

use gradus_linalg::Float;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map2, map2, unbroadcast};
use crate::registry::templates::draw_x_y;
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Sub;

#[derive(Clone, Copy)]
struct Difference;

impl Map2 for Difference {
    #[inline(always)]
    fn call<T: Float>(self, a: T, b: T) -> T {
        a - b
    }
}

impl Op for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map2(self.name(), inputs[0], inputs[1], Difference)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let lhs = ctx.needs(0).then(|| unbroadcast(&grad, ctx.input_shape(0)));
        // The sum comes first: it leaves less to negate.
        let rhs = ctx
            .needs(1)
            .then(|| unbroadcast(&grad, ctx.input_shape(1))?.neg());
        Ok(vec![lhs.transpose()?, rhs.transpose()?])
    }
}

impl Var {
    /// Elementwise difference: `self - other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` and `-grad_out`, summed over the dims in which an operand was expanded. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[10.0_f32], [1])?);
    /// assert_eq!(x.sub(&y)?.tensor().to_vec::<f32>()?, [-9.0, -8.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sub` with `alpha=1`; [`Var::sub_scaled`] has the factor.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        apply(Sub, &[self, other])
    }

    /// Elementwise difference with a factor: `self - alpha · other`.
    ///
    /// As [`Var::sub`], in two roundings; the gradient of `other` is `-alpha · grad_out`. As `torch.sub` with its `alpha`.
    ///
    /// # Errors
    /// As [`Var::sub`].
    pub fn sub_scaled(&self, other: &Self, alpha: f64) -> Result<Self> {
        if alpha == 1.0 {
            return self.sub(other);
        }
        self.sub(&other.mul_scalar(alpha)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("sub", |a| {
        let alpha = a.float("alpha")?;
        Ok(one(a.var("x")?.sub_scaled(a.var("y")?, alpha)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("alpha", AttrType::Float, 1.0)
    .reference(|a| {
        let alpha = a.float("alpha")?;
        Ok(vec![
            a.dense("x")?.zip(&a.dense("y")?, |x, y| x - alpha * y),
        ])
    })
    .draw(|d| {
        let alpha = d.pick(&[1.0, -2.0, 0.5, 0.0]);
        Ok(draw_x_y(d, [Values::REAL; 2])?.attr("alpha", alpha))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    /// f(z) = Σ(e^z - 0) + Σ(e^z - zeros(1000)) for a vector z of one element: the second sum counts a thousand times.
    #[test]
    fn museum_01_broadcast_dims_are_summed() {
        let z = leaf(&[1.0_f64], 1);
        let zeros = constant(&[0.0_f64; 1000], 1000);
        let zero = constant(&[0.0_f64], ());
        let sum = |x: crate::Var| x.sum(&[], false).unwrap();
        let first = sum(z.exp().unwrap().sub(&zero).unwrap());
        let second = sum(z.exp().unwrap().sub(&zeros).unwrap());
        let grads = first.add(&second).unwrap().backward().unwrap();
        let got = grads.get_var(&z).unwrap().item::<f64>().unwrap();
        assert!((got - 1001.0 * 1_f64.exp()).abs() < 1e-9, "{got}");
    }
}
