//! The logistic loss of two classes that are called -1 and 1.

use crate::ops::support::loss::{Reduction, draw_signs, reduced};
use crate::registry::templates::{REDUCTIONS, loss_spec, reduce_losses, reduction};
use crate::registry::{Args, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The logistic loss: `ln(1 + e^(-target · self))`, reduced; targets are -1 and 1.
    ///
    /// # Shapes
    /// `self` and `target` broadcast. The result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. As the negative of [`Var::log_sigmoid`]: scores of any size are exact (PyTorch overflows to ∞). The mean of no
    /// elements is NaN. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `-grad_out · target · σ(-target · self)`, and to the target; composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, -1000.0], [2])?);
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, 1.0], [2])?);
    /// let y = x.soft_margin_loss(&target, Reduction::None)?.tensor().to_vec::<f64>()?;
    /// assert_eq!(y, [std::f64::consts::LN_2, 1000.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.soft_margin_loss`.
    pub fn soft_margin_loss(&self, target: &Self, reduction: Reduction) -> Result<Self> {
        reduced(target.mul(self)?.log_sigmoid()?.neg()?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "soft_margin_loss",
        |a| {
            let (x, target) = (a.var("x")?, a.var("target")?);
            Ok(one(x.soft_margin_loss(target, reduction(a)?)?))
        },
        |a| {
            let each = a
                .dense("x")?
                .zip(&a.dense("target")?, |x, t| (1.0 + (-t * x).exp()).ln());
            reduce_losses(a, each)
        },
    )
    .draw(|d| {
        let [x, target, _] = d.broadcast_pair();
        Ok(Args::new()
            .with("x", d.reals(&x)?)
            .with("target", draw_signs(d, &target)?)
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
