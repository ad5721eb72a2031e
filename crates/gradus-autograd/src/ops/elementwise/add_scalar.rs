//! Addition of a number.

use gradus_linalg::Float;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::{Map1, map1};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Clone, Copy, Debug)]
struct AddScalar {
    value: f64,
}

impl Map1 for AddScalar {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        x + T::from_f64(self.value)
    }
}

impl Op for AddScalar {
    fn name(&self) -> &'static str {
        "add_scalar"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map1(self.name(), inputs[0], *self)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?)])
    }
}

impl Var {
    /// A number added to each element: `x + value`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// The number is rounded to the dtype first, then one rounding. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, -2.0], [2])?);
    /// assert_eq!(x.add_scalar(0.5)?.tensor().to_vec::<f32>()?, [1.5, -1.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.add` with a number.
    pub fn add_scalar(&self, value: f64) -> Result<Self> {
        apply(AddScalar { value }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("add_scalar", |a| {
        let other = a.float("other")?;
        Ok(one(a.var("x")?.add_scalar(other)?))
    })
    .input("x", Kind::Float)
    .required("other", AttrType::Float)
    .reference(|a| {
        let other = a.float("other")?;
        Ok(vec![a.dense("x")?.map(|x: f64| x + other)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let other = d.float(Values::REAL);
        Ok(Args::new().with("x", d.reals(&dims)?).attr("other", other))
    })
}
