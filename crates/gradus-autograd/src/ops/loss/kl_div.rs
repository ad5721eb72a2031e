//! Kullback-Leibler divergence of log-probabilities from probabilities.

use gradus_linalg::Float;

use crate::ops::support::binary::{Function2, binary};
use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::unary::{chain, chain_var};
use crate::ops::support::{require, scalar_like};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, Values, one};
use crate::{Result, Var};

/// The options of [`Var::kl_div`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KlDivConfig {
    /// Whether the target holds logarithms, too. Default: no.
    pub log_target: bool,
    /// Mean over all elements (PyTorch's default, but no divergence), sum, or one loss an element.
    pub reduction: Reduction,
    /// The sum divided by the size of the first dim, which is the mean divergence of its rows; overrides `reduction`.
    pub batch_mean: bool,
}

#[derive(Clone, Copy, Debug)]
struct KlDiv {
    log_target: bool,
}

impl Function2 for KlDiv {
    const NAME: &'static str = "kl_div";

    #[inline(always)]
    fn value<T: Float>(self, x: T, target: T) -> T {
        let log = if self.log_target { target } else { target.ln() };
        let p = if self.log_target {
            target.exp()
        } else {
            target
        };
        if p == T::ZERO { T::ZERO } else { p * (log - x) }
    }

    #[inline(always)]
    fn grad_a<T: Float>(self, grad_out: T, _x: T, target: T) -> T {
        let p = if self.log_target {
            target.exp()
        } else {
            target
        };
        -(grad_out * p)
    }

    #[inline(always)]
    fn grad_b<T: Float>(self, grad_out: T, x: T, target: T) -> T {
        if self.log_target {
            let p = target.exp();
            if p == T::ZERO {
                T::ZERO
            } else {
                grad_out * (p * (target - x + T::ONE))
            }
        } else {
            chain(grad_out, target.ln() - x + T::ONE)
        }
    }

    fn grad_a_var(self, grad_out: &Var, _x: &Var, target: &Var) -> Result<Var> {
        if self.log_target {
            grad_out.mul(&target.exp()?)?.neg()
        } else {
            grad_out.mul(target)?.neg()
        }
    }

    fn grad_b_var(self, grad_out: &Var, x: &Var, target: &Var) -> Result<Var> {
        if self.log_target {
            let p = target.exp()?;
            let slope = p.mul(&target.sub(x)?.add_scalar(1.0)?)?;
            let there = crate::ops::support::is_positive(p.tensor())?;
            return grad_out.mul(&slope.where_(&there, &scalar_like(x, 0.0)?)?);
        }
        chain_var(grad_out, &target.log()?.sub(x)?.add_scalar(1.0)?)
    }
}

impl Var {
    /// The divergence of a model's log-probabilities from the true probabilities: `target · (ln target - self)`, reduced.
    ///
    /// # Shapes
    /// `self` (log-probabilities) and `target` broadcast. The result has the broadcast shape for [`Reduction::None`], else
    /// rank 0.
    ///
    /// # Numerics
    /// Nats. A target of 0 costs 0, also where `self` is -∞ (PyTorch: NaN). f32 or f64, both alike.
    ///
    /// # Gradient
    /// `-grad_out · target` and `grad_out · (ln target - self + 1)`. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64;
    /// [`crate::Error::Argument`] if `batch_mean` has no rows to divide by.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::{KlDivConfig, Reduction}};
    /// let x = Var::from(Tensor::from_slice(&[0.5_f64, 0.5], [1, 2])?).log()?;
    /// let target = Var::from(Tensor::from_slice(&[1.0_f64, 0.0], [1, 2])?);
    /// let config = KlDivConfig { batch_mean: true, ..Default::default() };
    /// assert_eq!(x.kl_div(&target, &config)?.item::<f64>()?, std::f64::consts::LN_2);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.kl_div`.
    pub fn kl_div(&self, target: &Self, config: &KlDivConfig) -> Result<Self> {
        let log_target = config.log_target;
        let losses = binary(KlDiv { log_target }, self, target)?;
        if !config.batch_mean {
            return reduced(losses, config.reduction);
        }
        let sum = losses.sum(&[], false)?;
        match self.dims().first() {
            None => Ok(sum),
            Some(&rows) => {
                require(rows > 0, "kl_div", "rows", "at least 1 for batch_mean", 0.0)?;
                sum.mul_scalar(1.0 / rows as f64)
            }
        }
    }
}

/// PyTorch's words for the reductions.
const WORDS: &[&str] = &["none", "mean", "sum", "batchmean"];

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("kl_div", |a| {
        let word = a.choice("reduction", WORDS)?;
        let config = KlDivConfig {
            log_target: a.flag("log_target")?,
            reduction: [
                Reduction::None,
                Reduction::Mean,
                Reduction::Sum,
                Reduction::Sum,
            ][word],
            batch_mean: word == 3,
        };
        Ok(one(a.var("x")?.kl_div(a.var("target")?, &config)?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Float)
    .attr("reduction", AttrType::Text, "mean")
    .attr("log_target", AttrType::Bool, false)
    .reference(|a| {
        let (x, log_target) = (a.dense("x")?, a.flag("log_target")?);
        let each = x.zip(&a.dense("target")?, |x, t| {
            let p = if log_target { t.exp() } else { t };
            p * (p.ln() - x)
        });
        Ok(vec![match a.text("reduction")? {
            "none" => each,
            "mean" => Dense::scalar(each.sum() / each.numel() as f64),
            "sum" => Dense::scalar(each.sum()),
            _ => Dense::scalar(each.sum() / x.dims.first().map_or(1.0, |&n| n as f64)),
        }])
    })
    .draw(|d| {
        let [x, target, _] = d.broadcast_pair();
        let log_target = d.flag();
        let values = if log_target {
            Values::REAL
        } else {
            Values::POSITIVE
        };
        Ok(Args::new()
            .with("x", d.reals(&x)?)
            .with("target", d.floats(&target, values)?)
            .attr("log_target", log_target)
            .attr("reduction", d.pick(WORDS)))
    })
}

#[cfg(test)]
mod tests {
    use super::KlDivConfig;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn a_target_of_0_costs_nothing() {
        let nothing = f64::NEG_INFINITY;
        for (log_target, target) in [(false, [0.0, 1.0]), (true, [nothing, 0.0])] {
            let (x, target) = (leaf(&[nothing, 0.0], 2), leaf(&target, 2));
            let reduction = Reduction::None;
            let config = KlDivConfig {
                log_target,
                reduction,
                batch_mean: false,
            };
            let y = x.kl_div(&target, &config).unwrap();
            assert_eq!(values(&y), [0.0, 0.0]);
            let grads = y.backward_with(&constant(&[1.0, 1.0], 2)).unwrap();
            assert_eq!(
                grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
                [0.0, -1.0]
            );
        }
    }
}
