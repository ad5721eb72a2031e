//! The margin of a row's labels over its other classes.

use gradus_linalg::margin::{multilabel_margin, multilabel_margin_slopes};
use gradus_tensor::{DType, Error, Result, Tensor};

use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::{require, require_dtype, same_shape, with_float};
use crate::registry::templates::{REDUCTIONS, reduce_losses, reduction};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

const OP: &str = "multilabel_margin_loss";

/// Input: scores `(N, C)`. The targets are `(N, C)`, in row-major order and checked.
#[derive(Debug)]
struct MultilabelMargin {
    targets: Tensor,
}

impl Op for MultilabelMargin {
    fn name(&self) -> &'static str {
        OP
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        let targets = self.targets.as_slice::<i64>()?;
        with_float!(x.dtype(), OP, T => {
            let from = x.as_slice::<T>()?;
            let losses = Tensor::build([x.dims()[0]], |dst: &mut [T]| multilabel_margin(dst, from, targets))?;
            Ok(losses.into())
        })
    }

    /// The losses are linear in pieces: their slopes are constants, also for the second derivative.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let x = ctx.input(0)?.tensor().contiguous()?;
        let (targets, classes) = (self.targets.as_slice::<i64>()?, x.dims()[1]);
        let slopes = with_float!(x.dtype(), OP, T => {
            let from = x.as_slice::<T>()?;
            Tensor::build(x.shape(), |dst: &mut [T]| multilabel_margin_slopes(dst, from, targets, classes))
        })?;
        Ok(vec![Some(grad.unsqueeze(1)?.mul(&Var::constant(slopes))?)])
    }
}

/// Refuses the first number in front of a row's end that is no class.
fn check(targets: &[i64], classes: usize) -> Result<()> {
    for (row, targets) in targets.chunks_exact(classes.max(1)).enumerate() {
        for (column, &index) in targets.iter().enumerate() {
            if index == -1 {
                break;
            }
            if !usize::try_from(index).is_ok_and(|t| t < classes) {
                let position = row * classes + column;
                let len = classes;
                return Err(Error::IndexOutOfRange {
                    op: OP,
                    position,
                    index,
                    len,
                });
            }
        }
    }
    Ok(())
}

impl Var {
    /// The mean over the classes of what the scores of a row's labels lack to being larger than those of its other classes
    /// by 1: `Σ_{label, other} max(0, 1 - x[label] + x[other]) / C`; reduced.
    ///
    /// # Shapes
    /// `self` and `target` (i64) `(N, C)`, `(C,)` or `()`; a row of targets holds its labels, ended by -1. The result is `(N,)` or
    /// `()` for [`Reduction::None`], else of rank 0.
    ///
    /// # Numerics
    /// Sums in f64. A row without labels costs 0. f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out / C` to a label and `grad_out / C` to another class for each pair within the margin. Saves the scores.
    ///
    /// # Errors
    /// [`Error::Rank`] if `self` is of rank above 2; [`Error::Argument`] if there are no classes; [`Error::ShapeMismatch`]; [`Error::IndexOutOfRange`] with the
    /// first target that is neither a class nor the end; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::Reduction};
    /// let x = Var::from(Tensor::from_slice(&[0.1_f64, 0.2, 0.4, 0.8], [1, 4])?);
    /// let target = Tensor::from_slice(&[3_i64, 0, -1, 1], [1, 4])?;
    /// let loss = x.multilabel_margin_loss(&target, Reduction::Mean)?;
    /// assert!((loss.item::<f64>()? - 0.85).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.multilabel_margin_loss`.
    pub fn multilabel_margin_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Self> {
        require_dtype(OP, target, &[DType::I64])?;
        same_shape(OP, self.tensor(), target)?;
        let rows = match self.rank() {
            0 => self.reshape([1, 1])?,
            1 => self.unsqueeze(0)?,
            2 => self.clone(),
            _ => {
                let (expected, got) = (2, *self.shape());
                return Err(Error::Rank {
                    op: OP,
                    expected,
                    got,
                });
            }
        };
        require(rows.dims()[1] > 0, OP, "classes", "at least 1", 0.0)?;
        let targets = target.reshape(rows.shape())?.contiguous()?;
        check(targets.as_slice::<i64>()?, rows.dims()[1])?;
        let losses = apply(MultilabelMargin { targets }, &[&rows])?;
        let shape = &self.dims()[..self.rank().saturating_sub(1)];
        reduced(losses.reshape(shape)?, reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let (x, target) = (a.var("x")?, a.tensor("target")?);
        Ok(one(x.multilabel_margin_loss(target, reduction(a)?)?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Index)
    .attr("reduction", AttrType::Text, "mean")
    .kinked()
    .reference(|a| {
        let (x, target) = (a.dense("x")?, a.dense("target")?);
        let x = if x.rank() == 0 { x.reshape(&[1]) } else { x };
        let target = target.reshape(&x.dims);
        let (rows, classes) = x.dims.split_at(x.rank() - 1);
        let classes = classes[0];
        let each = Dense::from_fn(rows, |row| {
            let at = |m: &Dense, c: usize| m.at(&[row, &[c]].concat());
            let labels: Vec<usize> = (0..classes)
                .map(|c| at(&target, c))
                .take_while(|&t| t >= 0.0)
                .map(|t| t as usize)
                .collect();
            let mut sum = 0.0;
            for &label in &labels {
                for other in (0..classes).filter(|c| !labels.contains(c)) {
                    sum += (1.0 - at(&x, label) + at(&x, other)).max(0.0);
                }
            }
            sum / classes as f64
        });
        reduce_losses(a, each)
    })
    .draw(|d| {
        // Distances of scores are near tenths of 0.7, none of which is 1.
        let dims = d.shape(0..=2, 1..=4);
        let classes = dims.last().copied().unwrap_or(1);
        let x = Var::constant(d.distinct(&dims)?).mul_scalar(0.7)?;
        let mut targets = d.indices(&dims, classes)?.to_vec::<i64>()?;
        for target in targets.iter_mut().skip(d.below(3)).step_by(3) {
            *target = -1;
        }
        Ok(Args::new()
            .with("x", x)
            .with("target", Tensor::from_slice(&targets, dims)?)
            .attr("reduction", d.pick(REDUCTIONS)))
    })
}
