//! Scalar products along a dim.

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The scalar products of vectors along `dim`, which broadcast.
    ///
    /// # Shapes
    /// The shape that both broadcast to, without `dim`.
    ///
    /// # Numerics
    /// The products are rounded, then summed as by [`Var::sum`]. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out` times the other vectors. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::Axis`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`].
    ///
    /// As `torch.linalg.vecdot`.
    pub fn vecdot(&self, other: &Self, dim: isize) -> Result<Self> {
        let product = self.mul(other)?;
        product.shape().axis("vecdot", dim)?;
        product.sum(&[dim], false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("vecdot", |a| {
        Ok(one(a.var("x")?.vecdot(a.var("y")?, a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("dim", AttrType::Int, -1)
    .tolerances(5e-4, 1e-11) // a long sum of both signs
    .reference(|a| {
        let product = a.dense("x")?.zip(&a.dense("y")?, |x, y| x * y);
        let axis = a.isize("dim")?.rem_euclid(product.rank() as isize) as usize;
        Ok(vec![
            product.reduce(&[axis], false, |each| each.iter().sum()),
        ])
    })
    .draw(|d| {
        let wide = d.some_shape();
        let (x, y) = (wide.clone(), d.narrower(&wide));
        let dim = d.dim(wide.len());
        let args = Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?);
        Ok(args.attr("dim", dim))
    })
}
