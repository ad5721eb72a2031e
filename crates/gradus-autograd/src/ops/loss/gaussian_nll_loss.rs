//! Likelihood of numbers with a predicted variance.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::{Map1, is_positive, map1, require};
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Result, Saves, Stats, Var, apply};

const OP: &str = "gaussian_nll_loss";

/// The options of [`Var::gaussian_nll_loss`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNllLossConfig {
    /// Whether the constant `½ ln 2π` is added. Default: no.
    pub full: bool,
    /// Variances are no lower than this. Default: 1e-6.
    pub eps: f64,
    /// Mean, sum, or one loss an element. Default: the mean.
    pub reduction: Reduction,
}

impl Default for GaussianNllLossConfig {
    fn default() -> Self {
        Self {
            full: false,
            eps: 1e-6,
            reduction: Reduction::Mean,
        }
    }
}

/// The larger of element and bound; the gradient passes as if nothing had been limited, as PyTorch's.
#[derive(Clone, Copy, Debug)]
struct Limit {
    low: f64,
}

impl Map1 for Limit {
    #[inline(always)]
    fn call<T: gradus_linalg::Float>(self, x: T) -> T {
        x.maximum(T::from_f64(self.low))
    }
}

impl Op for Limit {
    fn name(&self) -> &'static str {
        OP
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map1(OP, inputs[0], *self)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?)])
    }
}

/// The variance in a shape that broadcasts to that of `x`: the same, without the last dim, or with one dim of 1.
fn aligned(x: &Var, var: &Var) -> Result<Var> {
    let (wide, own) = (x.dims(), var.dims());
    if own == wide {
        return Ok(var.clone());
    }
    if !wide.is_empty() && own == &wide[..wide.len() - 1] {
        return var.unsqueeze(-1);
    }
    let other = own.iter().zip(wide).filter(|(own, wide)| own != wide);
    if own.len() == wide.len() && other.map(|(&own, _)| own).eq([1]) {
        return Ok(var.clone());
    }
    Err(Error::ShapeMismatch {
        op: OP,
        lhs: *x.shape(),
        rhs: *var.shape(),
        rule: "the variance has the shape of the input, or lacks its last dim, or has one dim of 1 instead",
    })
}

impl Var {
    /// The negative log-likelihood of targets under normal distributions with mean `self` and variance `var`:
    /// `½ (ln v + (self - target)² / v)` with `v = max(var, eps)`; reduced.
    ///
    /// # Shapes
    /// `self` and `target` broadcast; `var` has the shape of `self`, or lacks its last dim, or has one dim of 1 instead. The
    /// result has the broadcast shape for [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// Nats. The mean of no elements is NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// To all three; that of a variance below `eps` is the one at `eps`, as PyTorch's. Composed of ops.
    ///
    /// # Errors
    /// [`Error::Argument`] if a variance is negative; [`Error::ShapeMismatch`]; [`Error::DTypeMismatch`]; [`Error::DType`] if
    /// not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::GaussianNllLossConfig};
    /// let [x, target, var] = [1.0_f64, 3.0, 1.0].map(|v| Tensor::from_slice(&[v], [1]).map(Var::from));
    /// let loss = x?.gaussian_nll_loss(&target?, &var?, &GaussianNllLossConfig::default())?;
    /// assert_eq!(loss.item::<f64>()?, 2.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.gaussian_nll_loss`. Nix and Weigend 1994.
    pub fn gaussian_nll_loss(
        &self,
        target: &Self,
        var: &Self,
        config: &GaussianNllLossConfig,
    ) -> Result<Self> {
        let below = is_positive(var.detach().neg()?.tensor())?;
        if let Some(at) = below.as_slice::<bool>()?.iter().position(|&below| below) {
            let got = Self::constant(var.tensor().contiguous()?).to_dtype(crate::DType::F64)?;
            let got = got.tensor().to_vec::<f64>()?[at];
            require(false, OP, "var", "at least 0 everywhere", got)?;
        }
        let var = apply(Limit { low: config.eps }, &[&aligned(self, var)?])?;
        let errors = self.sub(target)?.square()?.div(&var)?;
        let mut losses = var.log()?.add(&errors)?.mul_scalar(0.5)?;
        if config.full {
            losses = losses.add_scalar(0.5 * std::f64::consts::TAU.ln())?;
        }
        reduced(losses, config.reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = GaussianNllLossConfig {
            full: a.flag("full")?,
            eps: a.float("eps")?,
            reduction: reduction(a)?,
        };
        let (x, target, var) = (a.var("x")?, a.var("target")?, a.var("var")?);
        Ok(one(x.gaussian_nll_loss(target, var, &config)?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Float)
    .input("var", Kind::Float)
    .attr("full", AttrType::Bool, false)
    .attr("eps", AttrType::Float, 1e-6)
    .attr("reduction", AttrType::Text, "mean")
    .kinked()
    .reference(|a| {
        let (x, mut var) = (a.dense("x")?, a.dense("var")?);
        if var.rank() < x.rank() {
            let dims = [&var.dims[..], &[1]].concat();
            var = var.reshape(&dims);
        }
        let constant = if a.flag("full")? {
            std::f64::consts::TAU.ln()
        } else {
            0.0
        };
        let squares = x.zip(&a.dense("target")?, |x, t| (x - t) * (x - t));
        let each = squares.zip(&var, |d, v| 0.5 * (v.ln() + d / v + constant));
        reduce_losses(a, each)
    })
    .draw(|d| {
        let dims = d.any_shape();
        let mut narrow = dims.clone();
        match d.below(4) {
            2 => drop(narrow.pop()),
            3 if !dims.is_empty() => {
                let axis = d.below(dims.len());
                narrow[axis] = 1;
            }
            _ => {}
        }
        let target = d.narrower(&dims);
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("target", d.reals(&target)?)
            .with("var", d.floats(&narrow, Values::between(0.4, 3.0))?)
            .attr("full", d.flag())
            .attr("eps", d.pick(&[1e-6, 0.1]))
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}

#[cfg(test)]
mod tests {
    use super::GaussianNllLossConfig;
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn variances_are_limited_but_not_their_gradients() {
        let config = GaussianNllLossConfig {
            eps: 0.5,
            ..Default::default()
        };
        let (x, target) = (constant(&[1.0], 1), constant(&[2.0], 1));
        let gradient = |var: f64| {
            let var = leaf(&[var], 1);
            let y = x.gaussian_nll_loss(&target, &var, &config).unwrap();
            let grads = y.backward().unwrap();
            (
                values(&y),
                grads.get_var(&var).unwrap().to_vec::<f64>().unwrap(),
            )
        };
        assert_eq!(gradient(0.0), gradient(0.5));
        let got = x.gaussian_nll_loss(&target, &constant(&[-0.5], 1), &config);
        assert!(
            matches!(got, Err(Error::Argument { got: -0.5, .. })),
            "{got:?}"
        );
    }
}
