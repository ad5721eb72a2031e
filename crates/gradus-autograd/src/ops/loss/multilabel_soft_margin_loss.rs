//! Binary cross-entropy of many labels, averaged over the classes.

use gradus_tensor::Error;

use crate::ops::support::loss::{Reduction, reduced, weigh, weighted};
use crate::registry::templates::{REDUCTIONS, loss_spec, reduce_losses, reduction};
use crate::registry::{Args, Kind, OpSpec, Values, one};
use crate::{Result, Var};

impl Var {
    /// For each row the mean over the classes of `-w · (target · ln σ(x) + (1 - target) · ln σ(-x))`, reduced.
    ///
    /// # Shapes
    /// `self` `(…, C)` and `target` broadcast, `weight` to them; the result has the shape without the last dim for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. Exact for scores of any size. No classes give NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// To scores, target and weight; composed of ops.
    ///
    /// # Errors
    /// [`Error::Rank`] of rank 0; [`Error::ShapeMismatch`], [`Error::DTypeMismatch`], [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 1000.0], [1, 2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, 1.0], [1, 2])?);
    /// let loss = x.multilabel_soft_margin_loss(&target, None, Reduction::Mean)?;
    /// assert_eq!(loss.item::<f64>()?, std::f64::consts::LN_2 / 2.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.multilabel_soft_margin_loss`.
    pub fn multilabel_soft_margin_loss(
        &self,
        target: &Self,
        weight: Option<&Self>,
        reduction: Reduction,
    ) -> Result<Self> {
        let op = "multilabel_soft_margin_loss";
        let Some(&classes) = self.dims().last() else {
            let (expected, got) = (1, *self.shape());
            return Err(Error::Rank { op, expected, got });
        };
        let hit = target.mul(&self.log_sigmoid()?)?;
        let miss = target
            .neg()?
            .add_scalar(1.0)?
            .mul(&self.neg()?.log_sigmoid()?)?;
        let losses = weighted(op, hit.add(&miss)?.neg()?, weight)?;
        let rows = losses.sum(&[-1], false)?.mul_scalar(1.0 / classes as f64)?;
        reduced(rows, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "multilabel_soft_margin_loss",
        |a| {
            let (x, target, weight) = (a.var("x")?, a.var("target")?, a.opt_var("weight"));
            Ok(one(x.multilabel_soft_margin_loss(
                target,
                weight,
                reduction(a)?,
            )?))
        },
        |a| {
            let each = a.dense("x")?.zip(&a.dense("target")?, |x, t| {
                let p = 1.0 / (1.0 + (-x).exp());
                -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
            });
            let each = weigh(a, each)?;
            let last = each.rank() - 1;
            let rows = each.reduce(&[last], false, |row| {
                row.iter().sum::<f64>() / row.len() as f64
            });
            reduce_losses(a, rows)
        },
    )
    .optional("weight", Kind::Float)
    .draw(|d| {
        let dims = d.some_shape();
        let mut args = Args::new()
            .with("x", d.reals(&dims)?)
            .with("target", d.floats(&dims, Values::UNIT)?)
            .attr("reduction", d.pick(REDUCTIONS));
        if d.flag() {
            let narrow = d.narrower(&dims);
            args = args.with("weight", d.floats(&narrow, Values::POSITIVE)?);
        }
        Ok(args)
    })
}
