//! Likelihood of counts.

use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::{is_positive, scalar_like};
use crate::registry::templates::{REDUCTIONS, loss_spec, reduce_losses, reduction};
use crate::registry::{Args, AttrType, OpSpec, Values, one};
use crate::{Result, Var};

/// The options of [`Var::poisson_nll_loss`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNllLossConfig {
    /// Whether the input is the logarithm of the rate. Default: yes.
    pub log_input: bool,
    /// Whether Stirling's term of the target is added where that is above 1. Default: no.
    pub full: bool,
    /// Added to a rate before its logarithm. Default: 1e-8.
    pub eps: f64,
    /// Mean, sum, or one loss an element. Default: the mean.
    pub reduction: Reduction,
}

impl Default for PoissonNllLossConfig {
    fn default() -> Self {
        Self {
            log_input: true,
            full: false,
            eps: 1e-8,
            reduction: Reduction::Mean,
        }
    }
}

/// `t ln t - t + ½ ln(2 π t)` where `t > 1`, else 0.
fn stirling(target: &Var) -> Result<Var> {
    let many = is_positive(target.add_scalar(-1.0)?.tensor())?;
    let t = target.where_(&many, &scalar_like(target, 1.0)?)?;
    let half = t
        .mul_scalar(std::f64::consts::TAU)?
        .log()?
        .mul_scalar(0.5)?;
    let term = t.mul(&t.log()?)?.sub(&t)?.add(&half)?;
    term.where_(&many, &scalar_like(target, 0.0)?)
}

impl Var {
    /// The negative log-likelihood of counts under a Poisson distribution: `e^x - target · x` of a logarithm of the rate,
    /// `x - target · ln(x + eps)` of a rate; without the target's factorial, or with Stirling's approximation of it; reduced.
    ///
    /// # Shapes
    /// `self` and `target` broadcast. The result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. The mean of no elements is NaN. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `e^x - target` or `1 - target / (x + eps)`, and to the target; composed of ops.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::PoissonNllLossConfig};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64], [1])?);
    /// let target = Var::from(Tensor::from_slice(&[3.0_f64], [1])?);
    /// assert_eq!(x.poisson_nll_loss(&target, &PoissonNllLossConfig::default())?.item::<f64>()?, 1.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.poisson_nll_loss`.
    pub fn poisson_nll_loss(&self, target: &Self, config: &PoissonNllLossConfig) -> Result<Self> {
        let mut losses = if config.log_input {
            self.exp()?.sub(&target.mul(self)?)?
        } else {
            self.sub(&target.mul(&self.add_scalar(config.eps)?.log()?)?)?
        };
        if config.full {
            losses = losses.add(&stirling(target)?)?;
        }
        reduced(losses, config.reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    loss_spec(
        "poisson_nll_loss",
        |a| {
            let config = PoissonNllLossConfig {
                log_input: a.flag("log_input")?,
                full: a.flag("full")?,
                eps: a.float("eps")?,
                reduction: reduction(a)?,
            };
            Ok(one(a
                .var("x")?
                .poisson_nll_loss(a.var("target")?, &config)?))
        },
        |a| {
            let (log_input, full, eps) = (a.flag("log_input")?, a.flag("full")?, a.float("eps")?);
            let each = a.dense("x")?.zip(&a.dense("target")?, |x, t| {
                let cost = if log_input {
                    x.exp() - t * x
                } else {
                    x - t * (x + eps).ln()
                };
                let factorial = t * t.ln() - t + 0.5 * (std::f64::consts::TAU * t).ln();
                cost + if full && t > 1.0 { factorial } else { 0.0 }
            });
            reduce_losses(a, each)
        },
    )
    .attr("log_input", AttrType::Bool, true)
    .attr("full", AttrType::Bool, false)
    .attr("eps", AttrType::Float, 1e-8)
    .kinked()
    .draw(|d| {
        let [x, target, _] = d.broadcast_pair();
        let log_input = d.flag();
        let values = if log_input {
            Values::REAL
        } else {
            Values::POSITIVE
        };
        Ok(Args::new()
            .with("x", d.floats(&x, values)?)
            .with("target", d.floats(&target, Values::POSITIVE.away(&[1.0]))?)
            .attr("log_input", log_input)
            .attr("full", d.flag())
            .attr("eps", d.pick(&[1e-8, 0.5]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
