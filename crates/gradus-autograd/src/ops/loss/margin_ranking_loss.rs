//! The order of pairs of scores.

use gradus_tensor::Error;

use crate::ops::support::loss::{Reduction, draw_signs, reduced};
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Result, Var};

impl Var {
    /// What a pair of scores lacks to its order by a margin: `max(0, -target · (self - input2) + margin)`, reduced.
    ///
    /// A target of 1 asks that `self` be the larger, one of -1 that `input2` be. PyTorch's default `margin` is 0.
    ///
    /// # Shapes
    /// All of one rank, broadcast. The result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// The mean of no elements is NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `∓grad_out · target` within the margin, 0 at and beyond it; the target has one, too. Composed of ops.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if ranks differ or shapes do not broadcast; [`Error::DTypeMismatch`]; [`Error::DType`] if
    /// not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let a = Var::from(Tensor::from_slice(&[1.0_f64, 1.0], [2])?);
    /// let b = Var::from(Tensor::from_slice(&[3.0_f64, 3.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, -1.0], [2])?);
    /// assert_eq!(a.margin_ranking_loss(&b, &target, 0.5, Reduction::Sum)?.item::<f64>()?, 2.5);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.margin_ranking_loss`.
    pub fn margin_ranking_loss(
        &self,
        input2: &Self,
        target: &Self,
        margin: f64,
        reduction: Reduction,
    ) -> Result<Self> {
        for other in [input2, target] {
            if other.rank() != self.rank() {
                return Err(Error::ShapeMismatch {
                    op: "margin_ranking_loss",
                    lhs: *self.shape(),
                    rhs: *other.shape(),
                    rule: "scores and target have one rank",
                });
            }
        }
        let order = target.mul(&self.sub(input2)?)?;
        reduced(order.neg()?.add_scalar(margin)?.relu()?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("margin_ranking_loss", |a| {
        let (x, input2, target) = (a.var("x")?, a.var("input2")?, a.var("target")?);
        let margin = a.float("margin")?;
        Ok(one(x.margin_ranking_loss(
            input2,
            target,
            margin,
            reduction(a)?,
        )?))
    })
    .input("x", Kind::Float)
    .input("input2", Kind::Float)
    .input("target", Kind::Float)
    .attr("margin", AttrType::Float, 0.0)
    .attr("reduction", AttrType::Text, "mean")
    .reference(|a| {
        let margin = a.float("margin")?;
        let order = a.dense("x")?.zip(&a.dense("input2")?, |x, y| x - y);
        let each = order.zip(&a.dense("target")?, |d, t| (margin - t * d).max(0.0));
        reduce_losses(a, each)
    })
    .draw(|d| {
        let dims = d.any_shape();
        let y = d.reals(&dims)?;
        let gap = d.floats(&dims, Values::NONZERO.away(&[0.0, 0.5, -0.5]))?;
        let x = Var::constant(y.clone()).add(&Var::constant(gap))?;
        let narrow: Vec<usize> = dims
            .iter()
            .map(|&n| if d.below(4) == 3 { 1 } else { n })
            .collect();
        Ok(Args::new()
            .with("x", x)
            .with("input2", y)
            .with("target", draw_signs(d, &narrow)?)
            .attr("margin", d.pick(&[0.0, 0.5]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
