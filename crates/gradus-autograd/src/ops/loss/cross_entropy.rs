//! Softmax cross-entropy against class indices, fused. Letters: N rows, C classes.

use gradus_linalg::cross_entropy as kernel;
use gradus_linalg::{Float, reduce};
use gradus_tensor::{DType, Result, Shape, Tensor};

use crate::ops::support::classes::{as_rows, class_weights, row_weights};
use crate::ops::support::compose::by_composition;
use crate::ops::support::loss::Reduction;
use crate::ops::support::{require, scalar_like, with_float};
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
        let x = ctx.input(0)?;
        let (targets, params) = (self.targets.as_slice::<i64>()?, self.params::<T>()?);
        let grad = grad
            .mul_scalar(self.scale::<T>()?)?
            .into_tensor()
            .contiguous()?;
        let (logits, grad) = (x.tensor().view::<T>()?, grad.as_slice::<T>()?);
        let lse = ctx.stat(0)?.as_slice::<f64>()?;
        Tensor::build(x.shape(), |dst: &mut [T]| {
            kernel::cross_entropy_backward(dst, logits, targets, lse, grad, &params);
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
    /// ignored; the targets have none. Saves the scores and one number a row: `p` is computed again.
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
        let (op, smoothing) = ("cross_entropy", config.label_smoothing);
        require(
            (0.0..=1.0).contains(&smoothing),
            op,
            "label_smoothing",
            "in 0..=1",
            smoothing,
        )?;
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
}

#[cfg(test)]
mod tests {
    use super::CrossEntropyConfig;
    use crate::ops::Reduction;
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Tensor, Var};
    use gradus_testing::{check_close, reference};

    const TARGETS: [i64; 4] = [2, 0, -100, 1];
    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Sum, Reduction::Mean];

    fn configs() -> Vec<CrossEntropyConfig> {
        let mut configs = Vec::new();
        for reduction in REDUCTIONS {
            for label_smoothing in [0.0, 0.3] {
                for weight in [None, Some(tensor(&[0.5, 2.0, 1.25], 3))] {
                    configs.push(CrossEntropyConfig {
                        weight,
                        label_smoothing,
                        reduction,
                        ..Default::default()
                    });
                }
            }
        }
        configs
    }

    /// The loss of scores of either dtype.
    fn loss(x: &Var, targets: &Tensor, config: &CrossEntropyConfig) -> Result<Var> {
        let weight = config
            .weight
            .as_ref()
            .map(|w| w.to_dtype(x.dtype()))
            .transpose()?;
        x.cross_entropy(
            targets,
            &CrossEntropyConfig {
                weight,
                ..config.clone()
            },
        )
    }

    fn want(rows: &[f64], targets: &[i64], config: &CrossEntropyConfig) -> Vec<f64> {
        let weight = config
            .weight
            .as_ref()
            .map_or(vec![1.0; 3], |w| w.to_vec().unwrap());
        let (ignore_index, label_smoothing) = (config.ignore_index, config.label_smoothing);
        let params = reference::CrossEntropy {
            weight,
            ignore_index,
            label_smoothing,
        };
        let each = rows
            .chunks(3)
            .zip(targets)
            .map(|(row, &t)| reference::cross_entropy_row(row, t, &params));
        let (losses, weights): (Vec<f64>, Vec<f64>) = each.unzip();
        match config.reduction {
            Reduction::None => losses,
            Reduction::Sum => vec![losses.iter().sum()],
            Reduction::Mean => vec![losses.iter().sum::<f64>() / weights.iter().sum::<f64>()],
        }
    }

    #[test]
    fn forward_matches_reference() {
        let (x, targets) = (sampled(&[4, 3], 1), tensor(&TARGETS, 4));
        for config in configs() {
            let want = want(&x.to_vec::<f64>().unwrap(), &TARGETS, &config);
            check_forward(
                |v| loss(&v[0], &targets, &config),
                std::slice::from_ref(&x),
                &want,
            );
        }
        let one = Var::constant(sampled(&[3], 1))
            .cross_entropy(&tensor(&[1_i64], ()), &CrossEntropyConfig::default());
        assert_eq!(one.unwrap().dims(), [0_usize; 0]);
    }

    #[test]
    fn more_dims_of_rows() {
        let targets = tensor(&[2_i64, 0, -100, 1], [2, 2]);
        for config in configs() {
            let x = sampled(&[2, 3, 2], 1);
            let rows = x.movedim(1, -1).unwrap().to_vec::<f64>().unwrap();
            let got = loss(&Var::constant(x.clone()), &targets, &config).unwrap();
            check_close(
                "loss",
                &values(&got),
                &want(&rows, &TARGETS, &config),
                1e-12,
                1e-13,
            );
            if config.reduction == Reduction::None {
                assert_eq!(got.dims(), [2, 2]);
            }
            check_gradient(|v| loss(&v[0], &targets, &config), &[x]);
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        let targets = tensor(&TARGETS, 4);
        for config in configs() {
            check_gradient(|v| loss(&v[0], &targets, &config), &[sampled(&[4, 3], 1)]);
        }
    }

    #[test]
    fn accepts_strided_views() {
        for config in configs() {
            for (_, targets) in layouts(&tensor(&TARGETS, 4), -100_i64) {
                check_layouts(|v| loss(&v[0], &targets, &config), &[sampled(&[4, 3], 1)]);
            }
        }
        let none = tensor::<i64>(&[], 0);
        check_empty(
            |v| loss(&v[0], &none, &CrossEntropyConfig::default()),
            &[&[0, 3]],
        );
    }

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
