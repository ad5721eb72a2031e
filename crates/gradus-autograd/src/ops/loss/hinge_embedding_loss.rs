//! Distances of like and unlike pairs.

use crate::ops::support::loss::{Reduction, draw_signs, equals, reduced};
use crate::ops::support::scalar_like;
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Tensor, Var};

impl Var {
    /// Distances of like pairs (target 1) as they are, of unlike ones (target -1) what they lack to the margin:
    /// `self` or `max(0, margin - self)`, reduced.
    ///
    /// Another target counts both, as PyTorch's.
    ///
    /// # Shapes
    /// `self` and `target` broadcast. The result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// What a target leaves out is not read. The mean of no elements is NaN. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out`, or `-grad_out` below the margin; the target has none. Composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[0.25_f64, 0.25], [2])?);
    /// let target = Tensor::from_slice(&[1.0_f64, -1.0], [2])?;
    /// assert_eq!(x.hinge_embedding_loss(&target, 1.0, Reduction::Sum)?.item::<f64>()?, 1.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.hinge_embedding_loss`.
    pub fn hinge_embedding_loss(
        &self,
        target: &Tensor,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Self> {
        let op = "hinge_embedding_loss";
        let shape = gradus_tensor::broadcast_shapes(op, self.shape(), target.shape())?;
        let (x, zero) = (self.expand(shape)?, scalar_like(self, 0.0)?);
        let missing = x.neg()?.add_scalar(margin)?.relu()?;
        let (like, unlike) = (equals(op, target, 1.0)?, equals(op, target, -1.0)?);
        let unlike_cost = zero.expand(shape)?.where_(&like, &missing)?;
        let like_cost = zero.expand(shape)?.where_(&unlike, &x)?;
        reduced(unlike_cost.add(&like_cost)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("hinge_embedding_loss", |a| {
        let (x, target, margin) = (a.var("x")?, a.tensor("target")?, a.float("margin")?);
        Ok(one(x.hinge_embedding_loss(
            target,
            margin,
            reduction(a)?,
        )?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Constant)
    .attr("margin", AttrType::Float, 1.0)
    .attr("reduction", AttrType::Text, "mean")
    .reference(|a| {
        let margin = a.float("margin")?;
        let each = a.dense("x")?.zip(&a.dense("target")?, |x, t| {
            let like = if t == -1.0 { 0.0 } else { x };
            like + if t == 1.0 { 0.0 } else { (margin - x).max(0.0) }
        });
        reduce_losses(a, each)
    })
    .draw(|d| {
        let [x, target, _] = d.broadcast_pair();
        let values = Values::REAL.away(&[1.0, 0.5]);
        let odd = d.below(4) == 3;
        Ok(Args::new()
            .with("x", d.floats(&x, values)?)
            .with(
                "target",
                if odd {
                    d.reals(&target)?
                } else {
                    draw_signs(d, &target)?
                },
            )
            .attr("margin", d.pick(&[1.0, 0.5]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
