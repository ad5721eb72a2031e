//! The margin of scores of two classes.

use crate::ops::support::loss::{Reduction, draw_signs, reduced};
use crate::registry::templates::{REDUCTIONS, loss_spec, reduce_losses, reduction};
use crate::registry::{Args, AttrType, OpSpec, Values, one};
use crate::{Result, Var};

impl Var {
    /// What scores lack to a margin on the right side: `max(0, margin - target · self)`, reduced; targets are -1 and 1.
    ///
    /// # Shapes
    /// `self` and `target` broadcast. The result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// The mean of no elements is NaN. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `-grad_out · target` within the margin and 0 at and beyond it, to `target` likewise; composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[0.25_f64, -3.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, -1.0], [2])?);
    /// assert_eq!(x.hinge_loss(&target, 1.0, Reduction::Sum)?.item::<f64>()?, 0.75);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// PyTorch has none; as `tf.keras.losses.Hinge` before its mean. Cortes and Vapnik 1995.
    pub fn hinge_loss(&self, target: &Self, margin: f64, reduction: Reduction) -> Result<Self> {
        let losses = target.mul(self)?.neg()?.add_scalar(margin)?.relu()?;
        reduced(losses, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "hinge_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.hinge_loss(
                target,
                a.float("margin")?,
                reduction(a)?,
            )?))
        },
        |a| {
            let margin = a.float("margin")?;
            let each = a
                .dense("x")?
                .zip(&a.dense("target")?, |x, t| (margin - t * x).max(0.0));
            reduce_losses(a, each)
        },
    )
    .attr("margin", AttrType::Float, 1.0)
    .draw(|d| {
        let [x, target, _] = d.broadcast_pair();
        let values = Values::REAL.away(&[1.0, -1.0, 0.5, -0.5]);
        Ok(Args::new()
            .with("x", d.floats(&x, values)?)
            .with("target", draw_signs(d, &target)?)
            .attr("margin", d.pick(&[1.0, 0.5]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
