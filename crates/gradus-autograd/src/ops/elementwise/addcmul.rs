//! Products, scaled and added.

use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

impl Var {
    /// `self + value · tensor1 · tensor2`. PyTorch's default `value` is 1.
    ///
    /// # Shapes
    /// All three broadcast to one shape, which the result has.
    ///
    /// # Numerics
    /// Three roundings. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `grad_out`, `value · grad_out · tensor2`, `value · grad_out · tensor1`, summed over the dims in which one was expanded.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.addcmul`.
    pub fn addcmul(&self, tensor1: &Self, tensor2: &Self, value: f64) -> Result<Self> {
        self.add_scaled(&tensor1.mul(tensor2)?, value)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("addcmul", |a| {
        let (x, value) = (a.var("x")?, a.float("value")?);
        Ok(one(x.addcmul(
            a.var("tensor1")?,
            a.var("tensor2")?,
            value,
        )?))
    })
    .input("x", Kind::Float)
    .input("tensor1", Kind::Float)
    .input("tensor2", Kind::Float)
    .attr("value", AttrType::Float, 1.0)
    .reference(|a| {
        let (first, second) = (a.dense("tensor1")?, a.dense("tensor2")?);
        let value = a.float("value")?;
        let scaled = first.zip(&second, |a, b| value * (a * b));
        Ok(vec![a.dense("x")?.zip(&scaled, |x, y| x + y)])
    })
    .draw(|d| {
        let wide = d.any_shape();
        let [x, first, second] = [0, 1, 2].map(|_| d.narrower(&wide));
        let value = d.pick(&[1.0, -0.5]);
        Ok(Args::new()
            .with("x", d.reals(&x)?)
            .with("tensor1", d.reals(&first)?)
            .with("tensor2", d.floats(&second, Values::REAL)?)
            .attr("value", value))
    })
}
