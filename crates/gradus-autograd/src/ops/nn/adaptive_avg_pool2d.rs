//! The means of the parts of an image that is cut into a given number of them.

use gradus_linalg::pool;
use gradus_tensor::{Result, Shape, Tensor};

use crate::ops::support::{pool as windows, require, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Linear, so its gradient is [`Spread`] and that one's gradient is this again. Shapes: the input's, the output's.
#[derive(Clone, Copy, Debug)]
struct AdaptiveAvgPool2d {
    input: [usize; 2],
    output: [usize; 2],
    shapes: [Shape; 2],
}

/// The gradient of [`AdaptiveAvgPool2d`]: each part's shared by its elements.
#[derive(Clone, Copy, Debug)]
struct Spread(AdaptiveAvgPool2d);

impl Op for AdaptiveAvgPool2d {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        with_float!(x.dtype(), self.name(), T => {
            let x = x.as_slice::<T>()?;
            let y = Tensor::build(self.shapes[1], |dst: &mut [T]| {
                pool::adaptive_avg_pool2d(dst, x, self.input, self.output);
            })?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(
            Spread(*self),
            &[&ctx.grad(grad_out, 0)?],
        )?)])
    }
}

impl Op for Spread {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d_backward"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (grad, op) = (inputs[0].contiguous()?, &self.0);
        with_float!(grad.dtype(), self.name(), T => {
            let grad = grad.as_slice::<T>()?;
            let grad_in = Tensor::build(op.shapes[0], |dst: &mut [T]| {
                pool::adaptive_avg_pool2d_backward(dst, grad, op.input, op.output);
            })?;
            Ok(grad_in.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(self.0, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

impl Var {
    /// The means of `output_size` parts of each image, whatever its size: part `i` of `m` of a side of `n` covers
    /// `⌊i · n / m⌋ .. ⌈(i + 1) · n / m⌉`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become `output_size`.
    ///
    /// # Numerics
    /// Sums in f64, one rounding. f32 or f64.
    ///
    /// # Gradient
    /// Each part's `grad_out`, divided by its number of elements, to all its elements. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::Argument`] if a side of image or output is 0; [`crate::Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 2])?.tensor().to_vec::<f32>()?, [2.5, 6.5]);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 1])?.tensor().to_vec::<f32>()?, [4.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.adaptive_avg_pool2d`.
    pub fn adaptive_avg_pool2d(&self, output_size: [usize; 2]) -> Result<Self> {
        let op = "adaptive_avg_pool2d";
        let input = windows::plane(op, self.shape())?;
        for side in output_size {
            require(side > 0, op, "output size", "at least 1", side as f64)?;
        }
        let shapes = [
            *self.shape(),
            windows::with_sides(self.shape(), output_size)?,
        ];
        let pool = AdaptiveAvgPool2d {
            input,
            output: output_size,
            shapes,
        };
        apply(pool, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    const SIZES: [[usize; 2]; 4] = [[1, 1], [2, 3], [3, 4], [7, 6]];

    /// The mean of every part by the definition, for one plane.
    fn reference(x: &[f64], [h, w]: [usize; 2], [oh, ow]: [usize; 2]) -> Vec<f64> {
        let part = |n: usize, m: usize, i: usize| i * n / m..((i + 1) * n).div_ceil(m);
        let mut y = Vec::new();
        for (i, j) in (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j))) {
            let (rows, columns) = (part(h, oh, i), part(w, ow, j));
            let count = rows.len() * columns.len();
            let sum: f64 = rows
                .flat_map(|r| columns.clone().map(move |c| (r, c)))
                .map(|(r, c)| x[r * w + c])
                .sum();
            y.push(sum / count as f64);
        }
        y
    }

    #[test]
    fn forward_matches_reference() {
        for size in SIZES {
            let x = sampled(&[2, 2, 5, 6], 1);
            let planes = x.to_vec::<f64>().unwrap();
            let want: Vec<f64> = planes
                .chunks(30)
                .flat_map(|plane| reference(plane, [5, 6], size))
                .collect();
            check_forward(|v| v[0].adaptive_avg_pool2d(size), &[x], &want);
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for size in SIZES {
            check_gradient(
                |v| v[0].adaptive_avg_pool2d(size)?.square(),
                &[sampled(&[1, 2, 3, 4], 1)],
            );
        }
    }

    #[test]
    fn accepts_strided_views() {
        for size in SIZES {
            check_layouts(
                |v| v[0].adaptive_avg_pool2d(size),
                &[sampled(&[2, 2, 5, 6], 1)],
            );
            check_layouts(
                |v| v[0].adaptive_avg_pool2d(size),
                &[sampled(&[2, 5, 6], 1)],
            );
            check_empty(|v| v[0].adaptive_avg_pool2d(size), &[&[0, 2, 5, 6]]);
        }
    }

    #[test]
    fn rejects_sides_of_zero() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        assert!(matches!(
            x.adaptive_avg_pool2d([0, 1]),
            Err(Error::Argument { .. })
        ));
        let none = Var::constant(sampled(&[1, 2, 4, 0], 1)).adaptive_avg_pool2d([1, 1]);
        assert!(matches!(none, Err(Error::Argument { .. })));
        let flat = Var::constant(sampled(&[4, 4], 1)).adaptive_avg_pool2d([1, 1]);
        assert!(matches!(flat, Err(Error::Rank { .. })));
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.adaptive_avg_pool2d([1, 1]),
            Err(Error::DType { .. })
        ));
    }
}
