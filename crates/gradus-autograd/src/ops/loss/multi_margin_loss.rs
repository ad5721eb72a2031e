//! The margin of the right class over each other class.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::classes::{as_rows, class_weights};
use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::{require, scalar_like};
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const OP: &str = "multi_margin_loss";

/// The options of [`Var::multi_margin_loss`], with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct MultiMarginLossConfig {
    /// The power of what a class lacks to the margin, 1 or 2. Default: 1.
    pub p: u8,
    /// How much larger the score of the target has to be. Default: 1.
    pub margin: f64,
    /// The weight of each target class `(C,)`, in the scores' dtype. Default: 1.
    pub weight: Option<Tensor>,
    /// Mean, sum, or one loss a row. Default: the mean.
    pub reduction: Reduction,
}

impl Default for MultiMarginLossConfig {
    fn default() -> Self {
        Self {
            p: 1,
            margin: 1.0,
            weight: None,
            reduction: Reduction::Mean,
        }
    }
}

impl Var {
    /// The mean over the classes of what the target's score lacks to being larger by a margin: row `i` with target `t`
    /// costs `w[t] · Σ_{c ≠ t} max(0, margin - x[t] + x[c])^p / C`; reduced.
    ///
    /// # Shapes
    /// `self` `(N, C)`, `(C,)` or `()`, `target` i64 `(N,)` or `()`. The result has the shape of the target for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// The mean divides by N, whatever the weights. f32 or f64.
    ///
    /// # Gradient
    /// To the scores; composed of ops.
    ///
    /// # Errors
    /// [`Error::Rank`] if `self` is of rank above 2; [`Error::ShapeMismatch`]; [`Error::IndexOutOfRange`] with the
    /// first target that is no class; [`Error::Argument`] if `p` is neither 1 nor 2; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::MultiMarginLossConfig};
    /// let x = Var::from(Tensor::from_slice(&[0.1_f64, 0.2, 0.4, 0.8], [1, 4])?);
    /// let loss = x.multi_margin_loss(&Tensor::from_slice(&[3_i64], [1])?, &MultiMarginLossConfig::default())?;
    /// assert!((loss.item::<f64>()? - 0.325).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.multi_margin_loss`.
    pub fn multi_margin_loss(
        &self,
        target: &Tensor,
        config: &MultiMarginLossConfig,
    ) -> Result<Self> {
        let p = config.p;
        require(p == 1 || p == 2, OP, "p", "1 or 2", f64::from(p))?;
        if self.rank() == 0 {
            return self.reshape([1])?.multi_margin_loss(target, config);
        }
        if self.rank() > 2 {
            let (expected, got) = (2, *self.shape());
            return Err(Error::Rank {
                op: OP,
                expected,
                got,
            });
        }
        // No class is ignored: the least number is none.
        let (scores, targets) = as_rows(OP, self, target, i64::MIN)?;
        let [rows, classes] = scores.shape().to_array(OP)?;
        let column = targets.reshape([rows, 1])?;
        let indices = targets.as_slice::<i64>()?;
        if let Some(position) = indices.iter().position(|&t| t == i64::MIN) {
            let (index, len) = (i64::MIN, classes);
            return Err(Error::IndexOutOfRange {
                op: OP,
                position,
                index,
                len,
            });
        }
        if rows == 0 {
            return reduced(scores.sum(&[1], false)?, config.reduction);
        }
        let zero = scalar_like(self, 0.0)?;
        let lack = scores
            .sub(&scores.gather(1, &column)?)?
            .add_scalar(config.margin)?
            .relu()?;
        let lack = if p == 2 { lack.square()? } else { lack };
        let other = Tensor::build([rows, classes], |dst: &mut [bool]| {
            for (row, &t) in dst.chunks_exact_mut(classes).zip(indices) {
                row.iter_mut()
                    .enumerate()
                    .for_each(|(c, other)| *other = c as i64 != t);
            }
        })?;
        let mut losses = lack.where_(&other, &zero)?.sum(&[1], false)?;
        if let Some(weight) = class_weights(OP, config.weight.as_ref(), scores.tensor())? {
            let weight = Self::constant(weight).index_select(0, &targets)?;
            losses = losses.mul(&weight)?;
        }
        losses = losses.mul_scalar(1.0 / classes as f64)?;
        reduced(losses.reshape(target.shape())?, config.reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = MultiMarginLossConfig {
            p: u8::try_from(a.int("p")?).unwrap_or(0),
            margin: a.float("margin")?,
            weight: a.opt_tensor("weight").cloned(),
            reduction: reduction(a)?,
        };
        Ok(one(a
            .var("x")?
            .multi_margin_loss(a.tensor("target")?, &config)?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Index)
    .attr("p", AttrType::Int, 1)
    .attr("margin", AttrType::Float, 1.0)
    .optional("weight", Kind::Constant)
    .attr("reduction", AttrType::Text, "mean")
    .kinked()
    .reference(|a| {
        let (x, target, weight) = (a.dense("x")?, a.dense("target")?, a.opt_dense("weight")?);
        let (p, margin) = (a.int("p")? as i32, a.float("margin")?);
        let x = if x.rank() == 0 { x.reshape(&[1]) } else { x };
        let classes = x.dims[x.rank() - 1];
        let each = Dense::from_fn(&x.dims[..x.rank() - 1], |row| {
            let at = |class| x.at(&[row, &[class]].concat());
            let t = target.at(row) as usize;
            let w = weight.as_ref().map_or(1.0, |w| w.data[t]);
            let others = (0..classes).filter(|&c| c != t);
            let sum: f64 = others
                .map(|c| (margin - at(t) + at(c)).max(0.0).powi(p))
                .sum();
            w * sum / classes as f64
        });
        reduce_losses(a, each)
    })
    .draw(|d| {
        // Distances of scores are near tenths, so margins off the tenths are no kinks.
        let dims = d.shape(0..=2, 1..=4);
        let classes = dims.last().copied().unwrap_or(1);
        let mut args = Args::new()
            .with("x", d.distinct(&dims)?)
            .with(
                "target",
                d.indices(&dims[..dims.len().saturating_sub(1)], classes)?,
            )
            .attr("p", d.pick(&[1, 2]))
            .attr("margin", d.pick(&[1.05, 0.45, 10.05]))
            .attr("reduction", d.pick(REDUCTIONS));
        if d.flag() {
            args = args.with("weight", d.floats(&[classes], Values::POSITIVE)?);
        }
        Ok(args)
    })
}
