//! Distances of an anchor to a like and an unlike example.

use gradus_tensor::Error;

use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::pairs::distance;
use crate::ops::support::require;
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

const OP: &str = "triplet_margin_loss";

/// The options of [`Var::triplet_margin_loss`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletMarginLossConfig {
    /// How much farther the negative has to be than the positive. Default: 1.
    pub margin: f64,
    /// The norm of the distance: 1, 2, ∞ or any number at or above 0. Default: 2.
    pub p: f64,
    /// Added to the differences, so that no distance is 0. Default: 1e-6.
    pub eps: f64,
    /// Whether the distance of positive and negative counts if it is the smaller. Default: no.
    pub swap: bool,
    /// Mean, sum, or one loss a triplet. Default: the mean.
    pub reduction: Reduction,
}

impl Default for TripletMarginLossConfig {
    fn default() -> Self {
        Self {
            margin: 1.0,
            p: 2.0,
            eps: 1e-6,
            swap: false,
            reduction: Reduction::Mean,
        }
    }
}

impl Var {
    /// What the negative lacks to being farther from the anchor (`self`) than the positive by a margin:
    /// `max(0, d(self, positive) - d(self, negative) + margin)`, reduced, with `d(a, b) = ‖a - b + eps‖_p` over the last dim.
    ///
    /// # Shapes
    /// All of one rank, at least 1, broadcast: `(…, D)`; the result has the shape without the last dim for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// A distance of 0 has gradient 0. f32 or f64, all alike.
    ///
    /// # Gradient
    /// To all three; composed of ops.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if ranks differ or shapes do not broadcast; [`Error::Rank`] of rank 0; [`Error::Argument`] if
    /// `margin` is not above 0 or `p` negative; [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::TripletMarginLossConfig};
    /// let [a, p, n] = [[0.0_f64, 0.0], [3.0, 4.0], [0.0, 5.5]].map(|v| Tensor::from_slice(&v, [1, 2]).map(Var::from));
    /// let loss = a?.triplet_margin_loss(&p?, &n?, &TripletMarginLossConfig::default())?;
    /// assert!((loss.item::<f64>()? - 0.5).abs() < 1e-5);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.triplet_margin_loss`. Balntas et al. 2016.
    pub fn triplet_margin_loss(
        &self,
        positive: &Self,
        negative: &Self,
        config: &TripletMarginLossConfig,
    ) -> Result<Self> {
        let TripletMarginLossConfig {
            margin,
            p,
            eps,
            swap,
            reduction,
        } = *config;
        require(margin > 0.0, OP, "margin", "above 0", margin)?;
        for other in [positive, negative] {
            if other.rank() != self.rank() {
                return Err(Error::ShapeMismatch {
                    op: OP,
                    lhs: *self.shape(),
                    rhs: *other.shape(),
                    rule: "anchor, positive and negative have one rank",
                });
            }
        }
        let near = distance(OP, self, positive, p, eps)?;
        let mut far = distance(OP, self, negative, p, eps)?;
        if swap {
            far = far.minimum(&distance(OP, positive, negative, p, eps)?)?;
        }
        reduced(near.sub(&far)?.add_scalar(margin)?.relu()?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = TripletMarginLossConfig {
            margin: a.float("margin")?,
            p: a.float("p")?,
            eps: a.float("eps")?,
            swap: a.flag("swap")?,
            reduction: reduction(a)?,
        };
        let (x, positive, negative) = (a.var("x")?, a.var("positive")?, a.var("negative")?);
        Ok(one(x.triplet_margin_loss(positive, negative, &config)?))
    })
    .input("x", Kind::Float)
    .input("positive", Kind::Float)
    .input("negative", Kind::Float)
    .attr("margin", AttrType::Float, 1.0)
    .attr("p", AttrType::Float, 2.0)
    .attr("eps", AttrType::Float, 1e-6)
    .attr("swap", AttrType::Bool, false)
    .attr("reduction", AttrType::Text, "mean")
    .kinked()
    .reference(|a| {
        let [x, positive, negative] = ["x", "positive", "negative"].map(|name| a.dense(name));
        let (x, positive, negative) = (x?, positive?, negative?);
        let (p, eps, margin) = (a.float("p")?, a.float("eps")?, a.float("margin")?);
        let norm = |lane: &[f64]| match p {
            f64::INFINITY => lane.iter().fold(0.0_f64, |m, v| m.max(v.abs())),
            _ => lane
                .iter()
                .map(|v| v.abs().powf(p))
                .sum::<f64>()
                .powf(1.0 / p),
        };
        let last = x.rank() - 1;
        let distance = |a: &Dense, b| a.zip(b, |a, b| a - b + eps).reduce(&[last], false, norm);
        let mut far = distance(&x, &negative);
        if a.flag("swap")? {
            far = far.zip(&distance(&positive, &negative), f64::min);
        }
        let each = distance(&x, &positive).zip(&far, |near, far| (near - far + margin).max(0.0));
        reduce_losses(a, each)
    })
    .draw(|d| {
        // The elements of each of the three differences differ in size, and the margins leave all triplets on one side of the kink.
        let dims = d.shape(1..=3, 1..=3);
        let x = Var::constant(d.distinct(&dims)?);
        let noise = Var::constant(d.distinct(&dims)?);
        let shift = |by: f64, spread: f64| x.add(&noise.mul_scalar(spread)?.add_scalar(by)?);
        let [positive, negative] = d.pick(&[[2.0, -5.0], [-5.0, 2.0], [5.0, 8.0]]);
        let (positive, negative) = (shift(positive, 0.2)?, shift(negative, -0.4)?);
        Ok(Args::new()
            .with("x", x.clone())
            .with("positive", positive)
            .with("negative", negative)
            .attr("margin", d.pick(&[1.0, 0.5, 100.0]))
            .attr("p", d.pick(&[2.0, 1.0, 3.0, 1.5, f64::INFINITY]))
            .attr("eps", d.pick(&[1e-6, 0.01]))
            .attr("swap", d.flag())
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}

#[cfg(test)]
mod tests {
    use super::TripletMarginLossConfig;
    use crate::ops::support::testing::*;

    #[test]
    fn a_distance_of_0_has_gradient_0() {
        for p in [2.0, 1.0, 3.0, f64::INFINITY] {
            let config = TripletMarginLossConfig {
                p,
                eps: 0.0,
                ..Default::default()
            };
            let x = leaf(&[1.0, 2.0], [1, 2]);
            let y = x
                .triplet_margin_loss(&x.detach(), &x.detach(), &config)
                .unwrap();
            assert_eq!(values(&y), [1.0]);
            let grads = y.backward().unwrap();
            assert_eq!(
                grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
                [0.0; 2]
            );
        }
    }
}
