//! Sequences of labels without an alignment. Letters: T frames, N samples, C classes, S labels.

use gradus_linalg::ctc::{Sample, ctc_gradients, ctc_losses};
use gradus_linalg::{Float, elementwise};
use gradus_tensor::{DType, Error, Result, Tensor};

use crate::ops::support::loss::{Reduction, reduced};
use crate::ops::support::{require, require_dtype, with_float};
use crate::registry::templates::{REDUCTIONS, reduction};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

const OP: &str = "ctc_loss";

/// The options of [`Var::ctc_loss`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtcLossConfig {
    /// The class that stands for no label. Default: 0.
    pub blank: usize,
    /// Mean (of each loss divided by its number of labels), sum, or one loss a sample. Default: the mean.
    pub reduction: Reduction,
    /// Whether samples whose labels do not fit into their frames cost 0 instead of ∞. Default: no.
    pub zero_infinity: bool,
}

/// Input: log-probabilities `(T, N, C)`. Output: losses `(N,)`. Statistic 0: the losses in f64, infinite ones as they are.
#[derive(Debug)]
struct Ctc {
    /// The labels of all samples, one behind the other, checked.
    labels: Vec<i64>,
    /// Frames and number of labels of each sample.
    lengths: Vec<[usize; 2]>,
    config: CtcLossConfig,
}

impl Ctc {
    fn samples(&self) -> Vec<Sample<'_>> {
        let mut rest = &self.labels[..];
        let sample = |&[frames, count]: &[usize; 2]| {
            let (labels, others) = rest.split_at(count);
            rest = others;
            Sample { frames, labels }
        };
        self.lengths.iter().map(sample).collect()
    }

    fn forward<T: Float>(&self, x: &Tensor, stats: &mut Stats) -> Result<Tensor> {
        let mut exact = Tensor::zeros([self.lengths.len()], DType::F64)?;
        ctc_losses(
            exact.make_mut::<f64>()?,
            x.view::<T>()?,
            &self.samples(),
            self.config.blank,
        );
        let zero = self.config.zero_infinity;
        let losses = Tensor::try_build([self.lengths.len()], |dst: &mut [T]| {
            elementwise::map1(dst, exact.view::<f64>()?, move |loss| {
                T::from_f64(if zero && loss == f64::INFINITY {
                    0.0
                } else {
                    loss
                })
            });
            Ok(())
        })?;
        stats.push(exact);
        Ok(losses)
    }

    fn backward<T: Float>(&self, x: &Tensor, grad: &Tensor, losses: &Tensor) -> Result<Tensor> {
        let [frames, count, classes] = x.shape().to_array(OP)?;
        let states = self.lengths.iter().map(|[_, labels]| 2 * labels + 1).max();
        let mut work = Tensor::zeros([count, frames, states.unwrap_or(1)], DType::F64)?;
        let grad = grad.contiguous()?;
        let (samples, blank) = (self.samples(), self.config.blank);
        let found = Tensor::try_build([count, frames, classes], |dst: &mut [T]| {
            let (losses, grad) = (losses.as_slice::<f64>()?, grad.as_slice::<T>()?);
            let work = work.make_mut::<f64>()?;
            ctc_gradients(dst, work, x.view::<T>()?, &samples, losses, grad, blank);
            Ok(())
        })?;
        found.transpose(0, 1)
    }
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        OP
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), OP, T => Ok(self.forward::<T>(inputs[0], stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        ctx.refuse_twice()?;
        let (grad, x) = (ctx.grad(grad_out, 0)?, ctx.input(0)?);
        let grad_in = with_float!(x.dtype(), OP, T => {
            self.backward::<T>(x.tensor(), grad.tensor(), ctx.stat(0)?)
        })?;
        Ok(vec![Some(Var::constant(grad_in))])
    }
}

/// One length for each sample, none above `limit`.
fn lengths(name: &'static str, given: &Tensor, samples: usize, limit: usize) -> Result<Vec<usize>> {
    require_dtype(OP, given, &[DType::I64])?;
    if given.rank() > 1 || given.numel() != samples {
        return Err(Error::Length {
            op: OP,
            expected: samples,
            got: given.numel(),
        });
    }
    let check = |n: i64| {
        let fits = usize::try_from(n).ok().filter(|&n| n <= limit);
        fits.ok_or(Error::Argument {
            op: OP,
            name,
            expected: "from 0 to the size of what they count",
            got: n as f64,
        })
    };
    given.to_vec::<i64>()?.into_iter().map(check).collect()
}

/// The labels of all samples, one behind the other.
fn labels(targets: &Tensor, counts: &[usize], classes: usize, padded: bool) -> Result<Vec<i64>> {
    let all = targets.to_vec::<i64>()?;
    let width = targets.dims().last().copied().unwrap_or(0);
    let mut found = Vec::with_capacity(all.len());
    let mut start = 0;
    for (n, &count) in counts.iter().enumerate() {
        let from = if padded { n * width } else { start };
        for (i, &index) in all[from..from + count].iter().enumerate() {
            if !usize::try_from(index).is_ok_and(|label| label < classes) {
                let (position, len) = (from + i, classes);
                return Err(Error::IndexOutOfRange {
                    op: OP,
                    position,
                    index,
                    len,
                });
            }
            found.push(index);
        }
        start += count;
    }
    Ok(found)
}

impl Var {
    /// The negative log-likelihood of label sequences over all their alignments with the frames: connectionist temporal
    /// classification. A path of classes gives its labels when repeats are merged and then blanks are dropped.
    ///
    /// # Shapes
    /// - `self`: log-probabilities `(T, N, C)`, or `(T, C)` of one sample
    /// - `targets`: i64, padded `(N, S)`, or all samples' labels in one row
    /// - `input_lengths`, `target_lengths`: i64 `(N,)`, the frames and labels of each sample
    /// - returns `(N,)` (or `()` of one sample) for [`Reduction::None`], else rank 0
    ///
    /// # Numerics
    /// Nats; in log space and f64. Labels that do not fit into the frames cost ∞ with gradient 0 (PyTorch: NaN), or 0 under
    /// `zero_infinity`. The mean divides each loss by its number of labels (by 1 of none). f32 or f64.
    ///
    /// # Gradient
    /// `-grad_out · P(class at the frame | labels)`: the derivative by the log-probabilities themselves. PyTorch adds
    /// `grad_out · e^x`, which comes to the same behind a log-softmax and only there. The second derivative is refused.
    ///
    /// # Errors
    /// [`Error::Rank`], [`Error::Length`] or [`Error::ShapeMismatch`] if sizes do not fit; [`Error::Argument`] for lengths
    /// outside of what they count and a `blank` that is no class; [`Error::IndexOutOfRange`] with the first label that is
    /// none; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::CtcLossConfig};
    /// // Two frames, blank or label 1 with probability 1/2 each: three of the four paths give the label.
    /// let x = Var::from(Tensor::from_slice(&[0.5_f64; 4], [2, 1, 2])?).log()?;
    /// let [label, two, one] = [1_i64, 2, 1].map(|n| Tensor::from_slice(&[n], [1]));
    /// let loss = x.ctc_loss(&label?, &two?, &one?, &CtcLossConfig::default())?;
    /// assert!((loss.item::<f64>()? + 0.75_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.ctc_loss`. Graves et al. 2006.
    pub fn ctc_loss(
        &self,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
        config: &CtcLossConfig,
    ) -> Result<Self> {
        let x = match self.rank() {
            2 => self.unsqueeze(1)?,
            _ => self.clone(),
        };
        let [frames, samples, classes] = x.shape().to_array(OP)?;
        let blank = config.blank;
        require(blank < classes, OP, "blank", "a class", blank as f64)?;
        require_dtype(OP, targets, &[DType::I64])?;
        let padded = targets.rank() == 2;
        let limit = match *targets.dims() {
            [all] => all,
            [rows, width] if rows == samples => width,
            _ => {
                return Err(Error::ShapeMismatch {
                    op: OP,
                    lhs: *self.shape(),
                    rhs: *targets.shape(),
                    rule: "targets are (samples, labels), or all labels in one row",
                });
            }
        };
        let input_lengths = lengths("input_lengths", input_lengths, samples, frames)?;
        let counts = lengths("target_lengths", target_lengths, samples, limit)?;
        let total = counts
            .iter()
            .try_fold(0_usize, |sum, &n| sum.checked_add(n));
        if !padded && total != Some(limit) {
            let got = total.unwrap_or(usize::MAX);
            return Err(Error::Length {
                op: OP,
                expected: limit,
                got,
            });
        }
        let labels = labels(targets, &counts, classes, padded)?;
        let pairs = input_lengths
            .iter()
            .zip(&counts)
            .map(|(&t, &s)| [t, s])
            .collect();
        let shares: Vec<f64> = counts.iter().map(|&n| 1.0 / n.max(1) as f64).collect();
        let ctc = Ctc {
            labels,
            lengths: pairs,
            config: *config,
        };
        let mut losses = apply(ctc, &[&x])?;
        if config.reduction == Reduction::Mean {
            let shares = Tensor::from_slice(&shares, [samples])?.to_dtype(x.dtype())?;
            losses = losses.mul(&Self::constant(shares))?;
        }
        let losses = if self.rank() == 2 {
            losses.reshape(())?
        } else {
            losses
        };
        reduced(losses, config.reduction)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = CtcLossConfig {
            blank: a.usize("blank")?,
            reduction: reduction(a)?,
            zero_infinity: a.flag("zero_infinity")?,
        };
        let [targets, frames, labels] =
            ["targets", "input_lengths", "target_lengths"].map(|name| a.tensor(name));
        Ok(one(a
            .var("x")?
            .ctc_loss(targets?, frames?, labels?, &config)?))
    })
    .input("x", Kind::Float)
    .input("targets", Kind::Index)
    .input("input_lengths", Kind::Index)
    .input("target_lengths", Kind::Index)
    .attr("blank", AttrType::Int, 0)
    .attr("reduction", AttrType::Text, "mean")
    .attr("zero_infinity", AttrType::Bool, false)
    .small_only()
    .reference(naive)
    .draw(draw)
}

/// Over all paths of classes.
fn naive(a: &Args) -> Result<Vec<Dense>> {
    let (mut x, targets) = (a.dense("x")?, a.dense("targets")?);
    let alone = x.rank() == 2;
    if alone {
        let dims = [x.dims[0], 1, x.dims[1]];
        x = x.reshape(&dims);
    }
    let (frames, labels) = (a.dense("input_lengths")?, a.dense("target_lengths")?);
    let (blank, classes) = (a.usize("blank")?, x.dims[2]);
    let mut start = 0;
    let mut mean = 0.0;
    let each = Dense::from_fn(&[x.dims[1]], |n| {
        let (n, frames, count) = (n[0], frames.data[n[0]] as usize, labels.data[n[0]] as usize);
        let from = if targets.rank() == 2 {
            n * targets.dims[1]
        } else {
            start
        };
        start += count;
        let mut total = 0.0;
        for code in 0..classes.pow(frames as u32) {
            let path: Vec<usize> = (0..frames)
                .map(|t| code / classes.pow(t as u32) % classes)
                .collect();
            let log: f64 = path
                .iter()
                .enumerate()
                .map(|(t, &c)| x.at(&[t, n, c]))
                .sum();
            let mut merged = path;
            merged.dedup();
            merged.retain(|&class| class != blank);
            let wanted = targets.data[from..from + count].iter().map(|&c| c as usize);
            total += if merged.into_iter().eq(wanted) {
                log.exp()
            } else {
                0.0
            };
        }
        let zero = total == 0.0 && a.flag("zero_infinity") == Ok(true);
        let loss = if zero { 0.0 } else { -total.ln() };
        mean += loss / count.max(1) as f64;
        loss
    });
    let count = each.numel() as f64;
    Ok(vec![match a.text("reduction")? {
        "none" if alone => each.reshape(&[]),
        "none" => each,
        "mean" => Dense::scalar(mean / count),
        _ => Dense::scalar(each.sum()),
    }])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let (classes, blank) = (d.range(2..=3), d.below(2));
    let alone = d.below(4) == 3;
    let samples = if alone { 1 } else { d.range(1..=3) };
    let frames = d.range(2..=5);
    let other = i64::from(blank == 0);
    let lengths: Vec<i64> = (0..samples).map(|_| d.int(2..=frames as i64)).collect();
    let counts: Vec<i64> = lengths.iter().map(|&t| d.int(0..=t / 2)).collect();
    let padded = d.flag();
    let width = if padded {
        counts.iter().max().copied().unwrap_or(0) + 1
    } else {
        0
    };
    let all = if padded {
        width * samples as i64
    } else {
        counts.iter().sum()
    };
    let target = |d: &mut Draw| if classes == 3 && d.flag() { 2 } else { other };
    let targets: Vec<i64> = (0..all).map(|_| target(d)).collect();
    let dims = if padded {
        vec![samples, width as usize]
    } else {
        vec![targets.len()]
    };
    let mut shape = vec![frames, samples, classes];
    if alone {
        shape.remove(1);
    }
    Ok(Args::new()
        .with("x", d.reals(&shape)?)
        .with("targets", Tensor::from_slice(&targets, dims)?)
        .with("input_lengths", Tensor::from_slice(&lengths, [samples])?)
        .with("target_lengths", Tensor::from_slice(&counts, [samples])?)
        .attr("blank", blank)
        .attr("zero_infinity", d.flag())
        .attr("reduction", d.pick(REDUCTIONS)))
}

#[cfg(test)]
mod tests {
    use super::CtcLossConfig;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_27_empty_targets_and_impossible_alignments() {
        for zero_infinity in [false, true] {
            let x = leaf(&[0.5_f64.ln(); 12], [2, 3, 2]);
            // nothing to align, two equal labels in two frames, no frames and no labels
            let targets = tensor(&[1_i64, 1], 2);
            let (frames, labels) = (tensor(&[2_i64, 2, 0], 3), tensor(&[0_i64, 2, 0], 3));
            let reduction = Reduction::None;
            let config = CtcLossConfig {
                zero_infinity,
                reduction,
                ..Default::default()
            };
            let y = x.ctc_loss(&targets, &frames, &labels, &config).unwrap();
            let impossible = if zero_infinity { 0.0 } else { f64::INFINITY };
            let got = values(&y);
            assert!((got[0] - 4.0_f64.ln()).abs() < 1e-15, "{got:?}");
            assert_eq!(got[1..], [impossible, 0.0]);
            let grads = y.backward_with(&constant(&[1.0; 3], 3)).unwrap();
            let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(
                grad,
                [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
            );
        }
    }

    #[test]
    fn museum_27_gradients_of_unequal_lengths_stay_in_their_frames() {
        let x = leaf(&[(1.0_f64 / 3.0).ln(); 24], [4, 2, 3]);
        let (targets, labels) = (tensor(&[1_i64, 2, 2, 0], [2, 2]), tensor(&[2_i64, 1], 2));
        let y = x
            .ctc_loss(
                &targets,
                &tensor(&[4_i64, 2], 2),
                &labels,
                &CtcLossConfig::default(),
            )
            .unwrap();
        let grads = y.backward().unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        for t in 0..4 {
            let sum = |n: usize| -> f64 { grad[(t * 2 + n) * 3..][..3].iter().sum() };
            // Each frame's probabilities sum to 1; the mean divides by 2 samples and the number of labels.
            assert!((sum(0) + 0.25).abs() < 1e-12, "{grad:?}");
            assert!(
                (sum(1) + if t < 2 { 0.5 } else { 0.0 }).abs() < 1e-12,
                "{grad:?}"
            );
        }
    }
}
