//! Negative log-likelihood of class indices. Letters: N rows, C classes.

use gradus_tensor::{DType, Result, Tensor};

use crate::Var;
use crate::ops::support::classes::{
    as_rows, class_weights, draw_classes, reduce_rows, row_weights,
};
use crate::ops::support::loss::Reduction;
use crate::ops::support::scalar_like;
use crate::registry::templates::reduction;
use crate::registry::{AttrType, Kind, OpSpec, one};

/// How the rows of a negative log-likelihood count. The defaults are PyTorch's.
#[derive(Clone, Debug)]
pub struct NllLossConfig {
    /// The weight of each class `(C,)`, in the scores' dtype. The mean divides by the weights of the targets. Default: 1.
    pub weight: Option<Tensor>,
    /// Rows with this target cost nothing and have no gradient; it may be a class or none. Default -100.
    pub ignore_index: i64,
    /// Mean, sum, or one loss a row. Default: the mean.
    pub reduction: Reduction,
}

impl Default for NllLossConfig {
    fn default() -> Self {
        Self {
            weight: None,
            ignore_index: -100,
            reduction: Reduction::Mean,
        }
    }
}

impl Var {
    /// The negative log-likelihood of class indices: row `i` with target `t` costs `-w[t] · self[i, t]`.
    ///
    /// `self` holds log-probabilities, as [`Var::log_softmax`] gives them. From scores [`Var::cross_entropy`] is faster.
    ///
    /// # Shapes
    /// - `self`: `(N, C)`, `(N, C, …)` with more dims of rows, or `(C,)`
    /// - `targets`: i64, the same without the dim of classes; each in `0..C`, or `ignore_index`
    /// - returns rank 0, or the shape of `targets` for [`Reduction::None`]
    ///
    /// # Numerics
    /// What is not a target is not read: NaN and infinities there do not show. If no row counts, the mean is 0 with
    /// gradient 0, where PyTorch gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// `-g · w[t]` at the targets, divided as the mean was; 0 elsewhere. Keeps the targets.
    ///
    /// # Errors
    /// As [`Var::cross_entropy`], but for the smoothing.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::NllLossConfig};
    /// let logs = Var::from(Tensor::from_slice(&[-0.5_f32, -2.0, -3.0, -0.25], [2, 2])?);
    /// let targets = Tensor::from_slice(&[0_i64, 0], [2])?;
    /// assert_eq!(logs.nll_loss(&targets, &NllLossConfig::default())?.item::<f32>()?, 1.75);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.nll_loss`.
    pub fn nll_loss(&self, targets: &Tensor, config: &NllLossConfig) -> Result<Self> {
        let (op, shape) = ("nll_loss", *targets.shape());
        let (logs, targets) = as_rows(op, self, targets, config.ignore_index)?;
        let weight = class_weights(op, config.weight.as_ref(), logs.tensor())?;
        let targets = targets.as_slice::<i64>()?;
        let weights = row_weights(targets, weight.as_ref(), config.ignore_index)?;
        let divisor: f64 = weights.iter().sum();
        let rows = targets.len();
        let kept: Vec<bool> = targets.iter().map(|&t| t != config.ignore_index).collect();
        let places: Vec<i64> = targets
            .iter()
            .zip(&kept)
            .map(|(&t, &kept)| if kept { t } else { 0 })
            .collect();
        // A row that is ignored may have no classes to pick from; then all are.
        let none = scalar_like(self, 0.0)?;
        let picked = if logs.dims()[1] == 0 {
            logs.sum(&[1], true)?
        } else {
            logs.gather(1, &Tensor::from_slice(&places, [rows, 1])?)?
        };
        let picked = picked
            .reshape([rows])?
            .where_(&Tensor::from_slice(&kept, [rows])?, &none)?;
        let factors = Tensor::from_slice(&weights, [rows])?
            .to_dtype(DType::F64)?
            .to_dtype(self.dtype())?;
        let losses = picked.mul(&Self::constant(factors))?.neg()?;
        match config.reduction {
            Reduction::None => losses.reshape(shape),
            Reduction::Sum => losses.sum(&[], false),
            Reduction::Mean if divisor == 0.0 => losses
                .where_(&Tensor::zeros([1], DType::Bool)?, &none)?
                .sum(&[], false),
            Reduction::Mean => losses.sum(&[], false)?.mul_scalar(1.0 / divisor),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("nll_loss", |a| {
        let config = NllLossConfig {
            weight: a.opt_tensor("weight").cloned(),
            ignore_index: a.int("ignore_index")?,
            reduction: reduction(a)?,
        };
        Ok(one(a.var("x")?.nll_loss(a.tensor("target")?, &config)?))
    })
    .input("x", Kind::Float)
    .input("target", Kind::Index)
    .optional("weight", Kind::Constant)
    .attr("ignore_index", AttrType::Int, -100)
    .attr("reduction", AttrType::Text, "mean")
    .reference(|a| {
        let (x, target, weight) = (a.dense("x")?, a.dense("target")?, a.opt_dense("weight")?);
        let ignored = a.int("ignore_index")?;
        reduce_rows(a, &x, |at, row| {
            let class = target.at(row) as i64;
            if class == ignored {
                return (0.0, 0.0);
            }
            let w = weight.as_ref().map_or(1.0, |w| w.data[class as usize]);
            (-w * at(class as usize), w)
        })
    })
    .draw(draw_classes)
}

#[cfg(test)]
mod tests {
    use super::NllLossConfig;
    use crate::ops::support::testing::*;
    use crate::ops::{CrossEntropyConfig, Reduction};
    use crate::{Error, Tensor, Var};

    const TARGETS: [i64; 4] = [2, 0, -100, 1];
    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Sum, Reduction::Mean];

    fn configs() -> Vec<NllLossConfig> {
        let weights = [None, Some(tensor(&[0.5, 2.0, 1.25], 3))];
        let with = |reduction| {
            weights.clone().map(|weight| NllLossConfig {
                weight,
                reduction,
                ..Default::default()
            })
        };
        REDUCTIONS.into_iter().flat_map(with).collect()
    }

    #[test]
    fn is_the_second_half_of_cross_entropy() {
        let (x, targets) = (
            Var::constant(sampled(&[2, 3, 2], 1)),
            tensor(&TARGETS, [2, 2]),
        );
        for config in configs() {
            let NllLossConfig {
                weight,
                ignore_index,
                reduction,
            } = config.clone();
            let whole = CrossEntropyConfig {
                weight,
                ignore_index,
                reduction,
                label_smoothing: 0.0,
            };
            let got = x
                .log_softmax(1)
                .unwrap()
                .nll_loss(&targets, &config)
                .unwrap();
            let want = x.cross_entropy(&targets, &whole).unwrap();
            assert_eq!(got.dims(), want.dims());
            gradus_testing::check_close("loss", &values(&got), &values(&want), 1e-13, 1e-14);
        }
    }

    #[test]
    fn museum_24_all_targets_ignored() {
        for reduction in REDUCTIONS {
            let x = leaf(&[1.0, f64::NAN, 3.0, f64::INFINITY], [2, 2]);
            let config = NllLossConfig {
                reduction,
                ..Default::default()
            };
            let y = x.nll_loss(&tensor(&[-100_i64, -100], 2), &config).unwrap();
            assert!(values(&y).iter().all(|&l| l == 0.0), "{reduction:?} {y}");
            let grads = y
                .backward_with(&Var::constant(Tensor::ones(y.shape(), y.dtype()).unwrap()))
                .unwrap();
            assert_eq!(
                grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
                [0.0; 4]
            );
        }
    }

    #[test]
    fn museum_25_ignored_rows_cost_0_also_inside_the_classes() {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0, 6.0, 5.0], [3, 2]);
        for ignore_index in [-100, 1] {
            let config = NllLossConfig {
                weight: Some(tensor(&[3.0, 100.0], 2)),
                ignore_index,
                reduction: Reduction::None,
            };
            let targets = tensor(&[0, ignore_index, ignore_index], 3);
            let y = x.nll_loss(&targets, &config).unwrap();
            assert_eq!(values(&y), [-3.0, 0.0, 0.0]);
            let grads = y.backward_with(&constant(&[1.0; 3], 3)).unwrap();
            let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(grad, [-3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            let mean = NllLossConfig {
                reduction: Reduction::Mean,
                ..config
            };
            assert_eq!(values(&x.nll_loss(&targets, &mean).unwrap()), [-1.0]);
        }
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let config = NllLossConfig::default();
        let got = x.nll_loss(&tensor(&[0_i64, -4], 2), &config).unwrap_err();
        assert_eq!(
            got,
            Error::IndexOutOfRange {
                op: "nll_loss",
                position: 1,
                index: -4,
                len: 3
            }
        );
        assert!(matches!(
            x.nll_loss(&tensor(&[0_i64; 3], 3), &config),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            x.nll_loss(&tensor(&[0.0_f32; 2], 2), &config),
            Err(Error::DType { .. })
        ));
    }
}
