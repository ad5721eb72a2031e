//! Variances over dims.

use gradus_linalg::{Float, elementwise, reduce};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::with_float;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Variance {
    axes: Vec<usize>,
    correction: usize,
    keepdim: bool,
}

impl Variance {
    /// What the sum of squares is divided by: 0 if there are no more elements than the correction.
    fn divisor(&self, shape: &[usize]) -> f64 {
        let count: usize = self.axes.iter().map(|&axis| shape[axis]).product();
        count.saturating_sub(self.correction) as f64
    }
}

fn variance<T: Float>(x: &Tensor, op: &Variance) -> Result<Tensor> {
    let (view, kept) = (x.view::<T>()?, x.shape().reduced(&op.axes, true));
    let means = Tensor::build(kept, |dst: &mut [T]| reduce::mean(dst, view, &op.axes))?;
    let means = means.view::<T>()?.broadcast("var", x.shape())?;
    let squares = Tensor::build(x.shape(), |dst: &mut [f64]| {
        elementwise::map2(
            dst,
            view,
            means,
            #[inline(always)]
            |x, mean| {
                let distance = x.to_f64() - mean.to_f64();
                distance * distance
            },
        );
    })?;
    let squares = squares.view::<f64>()?;
    let divisor = op.divisor(x.shape());
    let sums = Tensor::build(
        x.shape().reduced(&op.axes, op.keepdim),
        |dst: &mut [f64]| {
            reduce::sum(dst, squares, &op.axes);
            elementwise::update0(
                dst,
                #[inline(always)]
                |sum| sum / divisor,
            );
        },
    )?;
    sums.to_dtype(T::DTYPE)
}

impl Op for Variance {
    fn name(&self) -> &'static str {
        "var"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => Ok(variance::<T>(x, self)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, shape) = (ctx.input(0)?, ctx.input_shape(0));
        let dims: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
        let grad = ctx
            .grad(grad_out, 0)?
            .reshape(shape.reduced(&self.axes, true))?;
        let mean = if dims.is_empty() {
            x.clone()
        } else {
            x.mean(&dims, true)?
        };
        let grad = grad.mul_scalar(2.0 / self.divisor(shape))?;
        Ok(vec![Some(x.sub(&mean)?.mul(&grad)?)])
    }
}

impl Var {
    /// The variance over `dims`, or over all if `dims` is empty: `Σ (x - mean)² / (count - correction)`.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`.
    ///
    /// # Numerics
    /// Two passes, differences and sums in f64. `correction` 1 (PyTorch's default) gives the unbiased estimate, 0 the
    /// biased one that normalisation uses. With no more elements than `correction` the result is NaN, as PyTorch's.
    /// f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · 2 (x - mean) / (count - correction)`: 0 for equal elements. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3])?);
    /// assert_eq!(x.var(&[], 1, false)?.item::<f32>()?, 1.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.var`.
    pub fn var(&self, dims: &[isize], correction: usize, keepdim: bool) -> Result<Self> {
        let axes = self.shape().axes("var", dims)?;
        let op = Variance {
            axes,
            correction,
            keepdim,
        };
        apply(op, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_testing::{check_close, reference::groups};

    #[test]
    fn forward_matches_reference() {
        let x = sampled(&[2, 3, 4], 1);
        let elements = x.to_vec::<f64>().unwrap();
        for (dims, axes) in [(&[1][..], &[1][..]), (&[-1, 0], &[0, 2]), (&[], &[0, 1, 2])] {
            for correction in [0, 1] {
                let var = |g: &Vec<f64>| {
                    let mean = g.iter().sum::<f64>() / g.len() as f64;
                    g.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
                        / (g.len() - correction) as f64
                };
                let want: Vec<f64> = groups(&[2, 3, 4], &elements, axes)
                    .iter()
                    .map(var)
                    .collect();
                check_forward(
                    |v| v[0].var(dims, correction, false),
                    std::slice::from_ref(&x),
                    &want,
                );
            }
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for dims in [&[1][..], &[0, 2], &[]] {
            check_gradient(|v| v[0].var(dims, 1, false), &[sampled(&[2, 3, 2], 1)]);
            check_gradient(|v| v[0].var(dims, 0, true), &[sampled(&[2, 3, 2], 1)]);
        }
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].var(&[1], 1, false), &[sampled(&[3, 4, 2], 1)]);
        check_layouts(|v| v[0].var(&[], 0, true), &[sampled(&[3, 4], 1)]);
        check_empty(|v| v[0].var(&[1], 0, false), &[&[0, 3]]);
    }

    #[test]
    fn museum_52_a_large_mean_does_not_hide_the_variance() {
        let noise = sampled(&[32_768], 1).to_vec::<f64>().unwrap();
        let far: Vec<f32> = noise.iter().map(|x| (0.01 * x + 100.0) as f32).collect();
        let exact: Vec<f64> = far.iter().map(|&x| f64::from(x)).collect();
        let mean = exact.iter().sum::<f64>() / exact.len() as f64;
        let want = exact.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / exact.len() as f64;
        let got = constant(&far, far.len()).var(&[], 0, false).unwrap();
        check_close("variance", &values(&got), &[want], 1e-5, 0.0);
        let huge = constant(&[1e18_f32, -1e18, 1e18, -1e18], 4)
            .var(&[], 0, false)
            .unwrap();
        check_close(
            "variance of huge elements",
            &values(&huge),
            &[1e36],
            1e-6,
            0.0,
        );
    }

    #[test]
    fn museum_14_a_constant_has_variance_0_and_gradient_0() {
        let x = leaf(&[3.0_f64; 4], 4);
        let y = x.var(&[], 1, false).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), 0.0);
        assert_eq!(
            y.backward()
                .unwrap()
                .get_var(&x)
                .unwrap()
                .to_vec::<f64>()
                .unwrap(),
            [0.0; 4]
        );
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).var(&[2], 1, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.var(&[], 1, false));
    }
}
