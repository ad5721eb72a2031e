//! Addition with broadcasting.

use gradus_linalg::{Float, elementwise};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map2, map2, same_dtype, unbroadcast, with_float};
use crate::registry::templates::draw_x_y;
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Add;

#[derive(Clone, Copy)]
struct Sum;

impl Map2 for Sum {
    #[inline(always)]
    fn call<T: Float>(self, a: T, b: T) -> T {
        a + b
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map2(self.name(), inputs[0], inputs[1], Sum)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let grad_in = |i| {
            ctx.needs(i)
                .then(|| unbroadcast(&grad, ctx.input_shape(i)))
                .transpose()
        };
        Ok(vec![grad_in(0)?, grad_in(1)?])
    }
}

impl Var {
    /// Elementwise sum: `self + other`.
    ///
    /// # Shapes
    /// Any two that broadcast; the result has the broadcast shape.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both operands alike.
    ///
    /// # Gradient
    /// `grad_out` for both, summed over the dims in which an operand was expanded. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[10.0_f32], [1])?);
    /// assert_eq!(x.add(&y)?.tensor().to_vec::<f32>()?, [11.0, 12.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.add` with `alpha=1`; [`Var::add_scaled`] has the factor.
    pub fn add(&self, other: &Self) -> Result<Self> {
        apply(Add, &[self, other])
    }

    /// Elementwise sum with a factor: `self + alpha · other`.
    ///
    /// As [`Var::add`], in two roundings; the gradient of `other` is `alpha · grad_out`. As `torch.add` with its `alpha`.
    ///
    /// # Errors
    /// As [`Var::add`].
    pub fn add_scaled(&self, other: &Self, alpha: f64) -> Result<Self> {
        if alpha == 1.0 {
            return self.add(other);
        }
        self.add(&other.mul_scalar(alpha)?)
    }
}

/// `sum += grad` for tensors of one shape, in place if nobody else holds `sum`.
pub(crate) fn add_assign(sum: &mut Tensor, grad: &Tensor) -> Result<()> {
    same_dtype("add", sum, grad)?;
    let shape = *sum.shape();
    with_float!(grad.dtype(), "add", T => {
        let grad = grad.view::<T>()?.broadcast("add", &shape)?;
        elementwise::update1(sum.make_mut::<T>()?, grad, #[inline(always)] |sum: T, grad: T| sum + grad);
        Ok(())
    })
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("add", |a| {
        let alpha = a.float("alpha")?;
        Ok(one(a.var("x")?.add_scaled(a.var("y")?, alpha)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("alpha", AttrType::Float, 1.0)
    .reference(|a| {
        let alpha = a.float("alpha")?;
        Ok(vec![
            a.dense("x")?.zip(&a.dense("y")?, |x, y| x + alpha * y),
        ])
    })
    .draw(|d| {
        let alpha = d.pick(&[1.0, -2.0, 0.5, 0.0]);
        Ok(draw_x_y(d, [Values::REAL; 2])?.attr("alpha", alpha))
    })
}
