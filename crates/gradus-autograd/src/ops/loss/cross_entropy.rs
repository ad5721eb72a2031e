//! Softmax cross-entropy against class indices, fused. Letters: N rows, C classes.

use gradus_linalg::cross_entropy as kernel;
use gradus_linalg::{Float, reduce};
use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use crate::ops::support::classes::{
    as_rows, class_axis, class_weights, draw_classes, reduce_rows, row_weights,
};
use crate::ops::support::compose::by_composition;
use crate::ops::support::loss::{Reduction, equals};
use crate::ops::support::{require, same_dtype, same_shape, scalar_like, with_float};
use crate::registry::templates::reduction;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How the rows of a cross-entropy count. The defaults are PyTorch's.
#[derive(Clone, Debug)]
pub struct CrossEntropyConfig {
    /// The weight of each class `(C,)`, in the scores' dtype. The mean divides by the weights of the targets. Default: 1.
    pub weight: Option<Tensor>,
    /// Rows with this target cost nothing and have no gradient; it may be a class or none. Default -100.
    pub ignore_index: i64,
    /// The share of the target that is spread over all classes, in 0..=1. Default 0.
    pub label_smoothing: f64,
    /// Mean, sum, or one loss a row. Default: the mean.
    pub reduction: Reduction,
}

impl Default for CrossEntropyConfig {
    fn default() -> Self {
        Self {
            weight: None,
            ignore_index: -100,
            label_smoothing: 0.0,
            reduction: Reduction::Mean,
        }
    }
}

/// Input: scores `(N, C)`. Statistic 0: the log-sum-exp of each row, f64.
#[derive(Clone, Debug)]
struct CrossEntropy {
    targets: Tensor,
    config: CrossEntropyConfig,
}

impl CrossEntropy {
    fn params<T: Float>(&self) -> Result<kernel::CrossEntropy<'_, T>> {
        Ok(kernel::CrossEntropy {
            weight: self
                .config
                .weight
                .as_ref()
                .map(|w| w.as_slice::<T>())
                .transpose()?,
            ignore_index: self.config.ignore_index,
            label_smoothing: self.config.label_smoothing,
        })
    }

    /// What the sum of the losses is multiplied by; 0 if the mean has no rows.
    fn scale<T: Float>(&self) -> Result<f64> {
        if self.config.reduction != Reduction::Mean {
            return Ok(1.0);
        }
        let divisor = self.params::<T>()?.divisor(self.targets.as_slice::<i64>()?);
        Ok(if divisor == 0.0 { 0.0 } else { 1.0 / divisor })
    }

    fn forward<T: Float>(&self, logits: &Tensor, stats: &mut Stats) -> Result<Tensor> {
        let (targets, params) = (self.targets.as_slice::<i64>()?, self.params::<T>()?);
        let logits = logits.view::<T>()?;
        let mut lse = Tensor::zeros([targets.len()], DType::F64)?;
        let losses = Tensor::try_build([targets.len()], |dst: &mut [T]| {
            if !targets.is_empty() {
                kernel::cross_entropy(dst, lse.make_mut::<f64>()?, logits, targets, &params);
            }
            Ok(())
        })?;
        stats.push(lse);
        if self.config.reduction == Reduction::None {
            return Ok(losses);
        }
        let sum = reduce::sum_slice(losses.as_slice::<T>()?);
        let scale = self.scale::<T>()?;
        // Where no row counts the loss is 0, even if scores are NaN.
        Tensor::scalar(T::from_f64(if scale == 0.0 { 0.0 } else { sum * scale }))
    }

    fn backward<T: Float>(&self, ctx: &Backward<'_>, grad: &Var) -> Result<Tensor> {
        let (targets, params) = (self.targets.as_slice::<i64>()?, self.params::<T>()?);
        let grad = grad
            .mul_scalar(self.scale::<T>()?)?
            .into_tensor()
            .contiguous()?;
        let (grad, lse) = (grad.as_slice::<T>()?, ctx.stat(0)?.as_slice::<f64>()?);
        if let Some(mut x) = ctx.take_input(0) {
            let over = x.make_mut::<T>()?;
            kernel::cross_entropy_backward(over, None, targets, lse, grad, &params);
            return Ok(x);
        }
        let x = ctx.input(0)?;
        let logits = x.tensor().view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [T]| {
            kernel::cross_entropy_backward(dst, Some(logits), targets, lse, grad, &params);
        })
    }

    /// `(N, C)`: what each log-probability is multiplied by in the sum that is the loss of its row, but for the sign.
    fn factors(&self, shape: &Shape) -> Result<Tensor> {
        let [rows, classes] = shape.to_array("cross_entropy")?;
        let (targets, ignored) = (self.targets.as_slice::<i64>()?, self.config.ignore_index);
        let weight = match &self.config.weight {
            Some(weight) => weight.to_dtype(DType::F64)?.to_vec::<f64>()?,
            None => vec![1.0; classes],
        };
        let (smoothing, target_weights) = (
            self.config.label_smoothing,
            row_weights(targets, self.config.weight.as_ref(), ignored)?,
        );
        Tensor::build([rows, classes], |dst: &mut [f64]| {
            for (i, row) in dst.chunks_exact_mut(classes.max(1)).enumerate() {
                let kept = targets[i] != ignored;
                for (c, factor) in row.iter_mut().enumerate() {
                    let spread = smoothing / classes as f64 * weight[c];
                    let hit = usize::try_from(targets[i]) == Ok(c);
                    let direct = if hit {
                        (1.0 - smoothing) * target_weights[i]
                    } else {
                        0.0
                    };
                    *factor = if kept { spread + direct } else { 0.0 };
                }
            }
        })
    }

    /// The loss composed of ops that have gradients.
    fn composed(&self, x: &Var) -> Result<Var> {
        let factors = self.factors(x.shape())?;
        let counts = factors.to_dtype(DType::Bool)?;
        let factors = Var::constant(factors.to_dtype(x.dtype())?);
        let logs = x.log_softmax(1)?.where_(&counts, &scalar_like(x, 0.0)?)?;
        let losses = logs.mul(&factors)?.neg()?;
        let scale = with_float!(x.dtype(), "cross_entropy", T => self.scale::<T>())?;
        match self.config.reduction {
            Reduction::None => losses.sum(&[1], false),
            _ => losses.sum(&[], false)?.mul_scalar(scale),
        }
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => Ok(self.forward::<T>(inputs[0], stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        if ctx.create_graph() {
            return by_composition(ctx, &grad, &[ctx.input(0)?], |v| self.composed(&v[0]));
        }
        let grad_in = with_float!(grad.dtype(), self.name(), T => self.backward::<T>(ctx, &grad))?;
        Ok(vec![Some(Var::constant(grad_in))])
    }
}

impl Var {
    /// Softmax cross-entropy between unnormalised scores and class indices.
    ///
    /// With `p = softmax(self)`, class weights `w` and smoothing `s`, row `i` with target `t` costs
    /// `-(1 - s) · w[t] · ln p[i, t] - s / C · Σ_c w[c] · ln p[i, c]`; the mean divides the sum by the `w[t]` of the rows that
    /// are not ignored.
    ///
    /// # Shapes
    /// - `self`: `(N, C)`, `(N, C, …)` with more dims of rows, or `(C,)`
    /// - `targets`: i64, the same without the dim of classes; each in `0..C`, or `ignore_index`
    /// - returns rank 0, or the shape of `targets` for [`Reduction::None`]
    ///
    /// # Numerics
    /// Nats. The row's maximum is subtracted first, so nothing overflows; sums in f64, in a fixed order. If no row counts, the
    /// mean is 0 with gradient 0, where PyTorch gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// Of row `i`: `g · ((1 - s) · w[t] · (p[c] - [c = t]) + s / C · (p[c] · Σ w - w[c]))`, divided as the mean was; 0 where
    /// ignored; the targets have none. Saves the scores and one number a row: `p` is computed again, and written over
    /// the scores if nobody else holds them.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] of rank 0; [`crate::Error::ShapeMismatch`] if targets or weights do not fit;
    /// [`crate::Error::IndexOutOfRange`] with the first target that is neither a class nor ignored;
    /// [`crate::Error::Argument`] if the smoothing is not in `0..=1`; [`crate::Error::DTypeMismatch`] of scores and weights;
    /// [`crate::Error::DType`] if scores are not f32 or f64 or targets not i64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::CrossEntropyConfig};
    /// let logits = Var::from(Tensor::from_slice(&[2.0_f32, 0.0], [1, 2])?);
    /// let targets = Tensor::from_slice(&[0_i64], [1])?;
    /// let loss = logits.cross_entropy(&targets, &CrossEntropyConfig::default())?;
    /// assert!((loss.item::<f32>()? - 0.126_928).abs() < 1e-6); // ln(1 + e^-2)
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.cross_entropy` with class indices. Label smoothing: Szegedy et al. 2016, arXiv:1512.00567.
    pub fn cross_entropy(&self, targets: &Tensor, config: &CrossEntropyConfig) -> Result<Self> {
        let op = "cross_entropy";
        require_smoothing(config.label_smoothing)?;
        let shape = *targets.shape();
        let (scores, targets) = as_rows(op, self, targets, config.ignore_index)?;
        let weight = class_weights(op, config.weight.as_ref(), scores.tensor())?;
        let config = CrossEntropyConfig {
            weight,
            ..config.clone()
        };
        let reduction = config.reduction;
        let loss = apply(CrossEntropy { targets, config }, &[&scores])?;
        if reduction == Reduction::None {
            loss.reshape(shape)
        } else {
            Ok(loss)
        }
    }

    /// Softmax cross-entropy between unnormalised scores and a distribution over the classes for each row.
    ///
    /// Row `i` costs `-Σ_c w[c] · q[i, c] · ln p[i, c]` with `p = softmax(self)` and `q` the target, smoothed to
    /// `(1 - s) · target + s / C`; the mean divides by the number of rows, whatever the weights.
    ///
    /// # Shapes
    /// `self` and `target` alike, `(N, C, …)` or `(C,)`; the result has the shape without the dim of classes for
    /// [`Reduction::None`], else rank 0.
    ///
    /// # Numerics
    /// As [`Var::cross_entropy`]. A target of 0 costs nothing, also where `p` is 0. Targets are not limited to `0..=1`.
    ///
    /// # Gradient
    /// To scores and target, any number of times: composed of ops.
    ///
    /// # Errors
    /// As [`Var::cross_entropy`]; [`crate::Error::Argument`] if `ignore_index` is a class: no row of probabilities has it.
    ///
    /// As `torch.nn.functional.cross_entropy` with class probabilities.
    pub fn cross_entropy_with_probabilities(
        &self,
        target: &Self,
        config: &CrossEntropyConfig,
    ) -> Result<Self> {
        let (op, smoothing) = ("cross_entropy", config.label_smoothing);
        require_smoothing(smoothing)?;
        let ignored = config.ignore_index;
        let expected = "negative: targets that are probabilities are not ignored";
        require(ignored < 0, op, "ignore_index", expected, ignored as f64)?;
        same_dtype(op, self.tensor(), target.tensor())?;
        same_shape(op, self.tensor(), target.tensor())?;
        if self.rank() == 0 {
            let (expected, got) = (2, *self.shape());
            return Err(Error::Rank { op, expected, got });
        }
        let axis = class_axis(self.rank());
        let classes = self.dims()[axis];
        let mut target = target.clone();
        if smoothing > 0.0 {
            target = target
                .mul_scalar(1.0 - smoothing)?
                .add_scalar(smoothing / classes as f64)?;
        }
        let logs = self.log_softmax(axis as isize)?;
        let mut costs = logs.where_(&counts(&target, &logs)?, &scalar_like(self, 0.0)?)?;
        costs = costs.mul(&target)?;
        if let Some(weight) = &config.weight {
            costs = costs.mul(&Self::constant(column_of(weight, self, axis)?))?;
        }
        let losses = costs.sum(&[axis as isize], false)?.neg()?;
        match config.reduction {
            Reduction::None => Ok(losses),
            Reduction::Sum => losses.sum(&[], false),
            Reduction::Mean => {
                let rows = losses.numel().max(1) as f64;
                losses.sum(&[], false)?.mul_scalar(1.0 / rows)
            }
        }
    }
}

/// Refuses a share that is none.
fn require_smoothing(smoothing: f64) -> Result<()> {
    let fits = (0.0..=1.0).contains(&smoothing);
    require(
        fits,
        "cross_entropy",
        "label_smoothing",
        "in 0..=1",
        smoothing,
    )
}

/// Where a probability costs anything: not where it is 0 and the logarithm -∞.
fn counts(target: &Var, logs: &Var) -> Result<Tensor> {
    let nothing = equals("cross_entropy", target.tensor(), 0.0)?;
    let infinite = equals("cross_entropy", logs.tensor(), f64::NEG_INFINITY)?;
    let (nothing, infinite) = (nothing.as_slice::<bool>()?, infinite.as_slice::<bool>()?);
    Tensor::build(logs.shape(), |dst: &mut [bool]| {
        for ((dst, &a), &b) in dst.iter_mut().zip(nothing).zip(infinite) {
            *dst = !(a && b);
        }
    })
}

/// The class weights along the axis of `x`.
fn column_of(weight: &Tensor, x: &Var, axis: usize) -> Result<Tensor> {
    same_dtype("cross_entropy", x.tensor(), weight)?;
    let classes = x.dims()[axis];
    if *weight.shape() != [classes] {
        return Err(Error::ShapeMismatch {
            op: "cross_entropy",
            lhs: *x.shape(),
            rhs: *weight.shape(),
            rule: "one weight for each class",
        });
    }
    let mut dims = vec![1; x.rank()];
    dims[axis] = classes;
    weight.reshape(dims)
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cross_entropy", |a| {
        let config = CrossEntropyConfig {
            weight: a.opt_tensor("weight").cloned(),
            ignore_index: a.int("ignore_index")?,
            label_smoothing: a.float("label_smoothing")?,
            reduction: reduction(a)?,
        };
        let (x, target) = (a.var("x")?, a.var("target")?);
        Ok(one(if target.dtype().is_float() {
            x.cross_entropy_with_probabilities(target, &config)?
        } else {
            x.cross_entropy(target.tensor(), &config)?
        }))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Any)
    .optional("weight", Kind::Constant)
    .attr("ignore_index", AttrType::Int, -100)
    .attr("reduction", AttrType::Text, "mean")
    .attr("label_smoothing", AttrType::Float, 0.0)
    .reference(naive)
    .draw(|d| {
        let mut args = draw_classes(d)?.attr("label_smoothing", d.pick(&[0.0, 0.3, 0.6, 1.0]));
        if d.below(4) == 3 {
            let dims = args.var("x")?.dims().to_vec();
            args = args.attr("ignore_index", -100);
            args = args.with("target", d.floats(&dims, Values::UNIT)?);
        }
        Ok(args)
    })
}

/// Every term of every row.
fn naive(a: &Args) -> Result<Vec<Dense>> {
    let x = a.dense("x")?;
    let axis = class_axis(x.rank());
    let logs = x.along(axis, |lane| {
        let sum: f64 = lane.iter().map(|x| x.exp()).sum();
        lane.iter().map(|x| x - sum.ln()).collect()
    });
    let (target, weight) = (a.dense("target")?, a.opt_dense("weight")?);
    let (ignored, s) = (a.int("ignore_index")?, a.float("label_smoothing")?);
    let (classes, soft) = (x.dims[axis], a.tensor("target")?.dtype().is_float());
    let w = |c: usize| weight.as_ref().map_or(1.0, |w| w.data[c]);
    reduce_rows(a, &logs, |at, row| {
        let hit = target.dims.len() == row.len();
        let class = if hit { target.at(row) as i64 } else { 0 };
        if !soft && class == ignored {
            return (0.0, 0.0);
        }
        let share = |c: usize| {
            let mut index = row.to_vec();
            index.insert(axis, c);
            if soft {
                target.at(&index)
            } else {
                f64::from(u8::from(c as i64 == class))
            }
        };
        let loss =
            (0..classes).map(|c| -w(c) * ((1.0 - s) * share(c) + s / classes as f64) * at(c));
        (loss.sum(), if soft { 1.0 } else { w(class as usize) })
    })
}

#[cfg(test)]
mod tests {
    use super::CrossEntropyConfig;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;
    use crate::{Error, GradConfig, Tensor, Var, grad};
    use gradus_testing::check_close;

    #[test]
    fn scores_that_nobody_else_holds_are_written_over() {
        let w = leaf(&[0.5, -1.0, 2.0, 0.25, 1.5, -0.5], [3, 2]);
        let targets = tensor(&[2_i64, 0], 2);
        let x = constant(&[1.0, 2.0, -1.0, 0.5], [2, 2]);
        let loss = |scores: &Var| scores.cross_entropy(&targets, &CrossEntropyConfig::default());
        let held = x.linear(&w, None).unwrap();
        let before = values(&held);
        let grads = loss(&held).unwrap().backward().unwrap();
        let want = grads.get_var(&w).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(values(&held), before);
        let free = || loss(&x.linear(&w, None).unwrap()).unwrap();
        let grads = free().backward().unwrap();
        assert_eq!(grads.get_var(&w).unwrap().to_vec::<f64>().unwrap(), want);
        // A graph that is walked again keeps them.
        let (loss, keep) = (
            free(),
            GradConfig {
                retain_graph: true,
                ..GradConfig::default()
            },
        );
        for _ in 0..2 {
            let grads = grad(&[&loss], &[&w], None, &keep).unwrap();
            assert_eq!(values(grads[0].as_ref().unwrap()), want);
        }
    }

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Sum, Reduction::Mean];

    /// Loss and gradient of the scores.
    fn run(x: &Var, targets: &[i64], config: &CrossEntropyConfig) -> (Vec<f64>, Vec<f64>) {
        let y = x
            .cross_entropy(&tensor(targets, targets.len()), config)
            .unwrap();
        let grads = y
            .backward_with(&Var::constant(Tensor::ones(y.shape(), y.dtype()).unwrap()))
            .unwrap();
        (
            values(&y),
            grads.get_var(x).unwrap().to_vec::<f64>().unwrap(),
        )
    }

    #[test]
    fn museum_24_all_targets_ignored() {
        for reduction in REDUCTIONS {
            let x = leaf(&[1.0, f64::NAN, 3.0, 4.0], [2, 2]);
            let config = CrossEntropyConfig {
                reduction,
                ..Default::default()
            };
            let (loss, grad) = run(&x, &[-100, -100], &config);
            assert!(loss.iter().all(|&l| l == 0.0), "{reduction:?} {loss:?}");
            assert_eq!(grad, [0.0; 4], "{reduction:?}");
        }
    }

    #[test]
    fn museum_25_ignored_rows_and_an_ignored_class() {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0, 6.0, 5.0], [3, 2]);
        let config = CrossEntropyConfig {
            ignore_index: 1,
            reduction: Reduction::None,
            ..Default::default()
        };
        let (loss, grad) = run(&x, &[0, 1, 1], &config);
        assert_eq!(loss[1..], [0.0, 0.0]);
        assert_eq!(grad[2..], [0.0; 4]);
        // The mean divides by the weights of the rows that count.
        let config = CrossEntropyConfig {
            weight: Some(tensor(&[3.0, 100.0], 2)),
            ignore_index: 1,
            ..Default::default()
        };
        let (mean, _) = run(&x, &[0, 1, 1], &config);
        check_close("mean", &mean, &loss[..1], 1e-14, 0.0);
    }

    #[test]
    fn museum_26_a_target_out_of_range_is_an_error() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for bad in [-4, 3, i64::MAX, i64::MIN] {
            let got = x
                .cross_entropy(&tensor(&[0, bad], 2), &CrossEntropyConfig::default())
                .unwrap_err();
            assert_eq!(
                got,
                Error::IndexOutOfRange {
                    op: "cross_entropy",
                    position: 1,
                    index: bad,
                    len: 3
                }
            );
        }
    }

    #[test]
    fn museum_26_probabilities_need_no_clamp() {
        let config = CrossEntropyConfig::default();
        let x = leaf(&[1e4, -1e4, f64::NEG_INFINITY], [1, 3]);
        for (class, want) in [(0, 0.0), (1, 2e4)] {
            let mut one_hot = [0.0; 3];
            one_hot[class] = 1.0;
            let target = constant(&one_hot, [1, 3]);
            let soft = x
                .cross_entropy_with_probabilities(&target, &config)
                .unwrap();
            let hard = x
                .cross_entropy(&tensor(&[class as i64], 1), &config)
                .unwrap();
            assert_eq!((values(&soft), values(&hard)), (vec![want], vec![want]));
            let grads = [soft, hard].map(|y| {
                let grads = y.backward().unwrap();
                grads.get_var(&x).unwrap().to_vec::<f64>().unwrap()
            });
            assert_eq!(grads[0], grads[1]);
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let x = leaf(&[1e300, -1e300, f64::NEG_INFINITY], [1, 3]);
        let (loss, grad) = run(&x, &[0], &CrossEntropyConfig::default());
        assert_eq!((loss, grad), (vec![0.0], vec![0.0; 3]));
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let with = |targets: &Tensor, config: CrossEntropyConfig| x.cross_entropy(targets, &config);
        let (plain, good) = (CrossEntropyConfig::default(), tensor(&[0_i64, 1], 2));
        assert!(matches!(
            with(&tensor(&[0_i64; 3], 3), plain.clone()),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            with(&tensor(&[0.0_f32; 2], 2), plain.clone()),
            Err(Error::DType { .. })
        ));
        for label_smoothing in [-0.1, 1.5, f64::NAN] {
            assert!(matches!(
                with(
                    &good,
                    CrossEntropyConfig {
                        label_smoothing,
                        ..plain.clone()
                    }
                ),
                Err(Error::Argument { .. })
            ));
        }
        let weight = Some(tensor(&[1.0_f64; 2], 2));
        assert!(matches!(
            with(
                &good,
                CrossEntropyConfig {
                    weight,
                    ..plain.clone()
                }
            ),
            Err(Error::ShapeMismatch { .. })
        ));
        let weight = Some(tensor(&[1.0_f32; 3], 3));
        assert!(matches!(
            with(
                &good,
                CrossEntropyConfig {
                    weight,
                    ..plain.clone()
                }
            ),
            Err(Error::DTypeMismatch { .. })
        ));
        let scalar = constant(&[1.0_f64], ()).cross_entropy(&tensor(&[0_i64], ()), &plain);
        assert!(matches!(scalar, Err(Error::Rank { .. })));
    }
}
