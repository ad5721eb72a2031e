//! The mean of each window of an image.

use gradus_linalg::pool::{self, AvgDivisor, Pool2d};
use gradus_tensor::{Result, Shape, Tensor};

use crate::ops::support::{pool as windows, require, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How the windows lie and what their sums are divided by. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2dConfig {
    /// Steps of the window, down and across. Default: the window's sides, so that windows do not overlap.
    pub stride: Option<[usize; 2]>,
    /// Zeros added on both sides of height and width; at most half of the window. Default 0.
    pub padding: [usize; 2],
    /// Rounds the number of windows up instead of down: the last may hang over the edge. Default off.
    pub ceil_mode: bool,
    /// Whether the zeros of the padding count as elements. What hangs over the padding never does. Default on.
    pub count_include_pad: bool,
    /// Divides by this instead of the number of elements. Default: none.
    pub divisor_override: Option<usize>,
}

impl Default for AvgPool2dConfig {
    fn default() -> Self {
        Self {
            stride: None,
            padding: [0, 0],
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

/// Linear, so its gradient is [`Spread`] and that one's gradient is this again. Shapes: the input's, the output's.
#[derive(Clone, Copy, Debug)]
struct AvgPool2d {
    pool: Pool2d,
    divisor: AvgDivisor,
    shapes: [Shape; 2],
}

/// The gradient of [`AvgPool2d`]: each window's shared by its elements.
#[derive(Clone, Copy, Debug)]
struct Spread(AvgPool2d);

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        with_float!(x.dtype(), self.name(), T => {
            let x = x.as_slice::<T>()?;
            let y = Tensor::build(self.shapes[1], |dst: &mut [T]| pool::avg_pool2d(dst, x, &self.pool, self.divisor))?;
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
        "avg_pool2d_backward"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (grad, op) = (inputs[0].contiguous()?, &self.0);
        with_float!(grad.dtype(), self.name(), T => {
            let grad = grad.as_slice::<T>()?;
            let grad_in = Tensor::build(op.shapes[0], |dst: &mut [T]| {
                pool::avg_pool2d_backward(dst, grad, &op.pool, op.divisor);
            })?;
            Ok(grad_in.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(self.0, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

impl Var {
    /// The mean of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become `⌊(H + 2 padding - K) / stride⌋ + 1`, rounded up
    /// with `ceil_mode` as long as the last window starts in the image or the padding before it.
    ///
    /// # Numerics
    /// Sums in f64, one rounding. f32 or f64.
    ///
    /// # Gradient
    /// Each window's `grad_out`, divided as its sum was, to all its elements. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::Argument`] if a side of image or window, a stride or the divisor is 0, or the
    /// padding exceeds half the window; [`crate::Error::ShapeMismatch`] if no window fits; [`crate::Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::AvgPool2dConfig};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// let y = x.avg_pool2d([2, 2], &AvgPool2dConfig::default())?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [2.5, 6.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.avg_pool2d`.
    pub fn avg_pool2d(&self, kernel_size: [usize; 2], config: &AvgPool2dConfig) -> Result<Self> {
        let pool = Pool2d {
            input: windows::plane("avg_pool2d", self.shape())?,
            kernel: kernel_size,
            stride: config.stride.unwrap_or(kernel_size),
            padding: config.padding,
            dilation: [1, 1],
            ceil_mode: config.ceil_mode,
        };
        require(
            config.divisor_override != Some(0),
            "avg_pool2d",
            "divisor_override",
            "at least 1",
            0.0,
        )?;
        let divisor = AvgDivisor {
            count_include_pad: config.count_include_pad,
            divisor_override: config.divisor_override,
        };
        let shapes = [
            *self.shape(),
            windows::pooled("avg_pool2d", self.shape(), &pool)?,
        ];
        apply(
            AvgPool2d {
                pool,
                divisor,
                shapes,
            },
            &[self],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::AvgPool2dConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    const PLAIN: AvgPool2dConfig = AvgPool2dConfig {
        stride: None,
        padding: [0, 0],
        ceil_mode: false,
        count_include_pad: true,
        divisor_override: None,
    };

    fn cases() -> Vec<([usize; 2], AvgPool2dConfig)> {
        vec![
            ([2, 2], PLAIN),
            (
                [3, 2],
                AvgPool2dConfig {
                    stride: Some([2, 1]),
                    padding: [1, 1],
                    ..PLAIN
                },
            ),
            (
                [3, 3],
                AvgPool2dConfig {
                    stride: Some([2, 2]),
                    padding: [1, 1],
                    count_include_pad: false,
                    ..PLAIN
                },
            ),
            (
                [2, 3],
                AvgPool2dConfig {
                    stride: Some([3, 2]),
                    ceil_mode: true,
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                AvgPool2dConfig {
                    divisor_override: Some(3),
                    ..PLAIN
                },
            ),
        ]
    }

    /// The mean of every window by the definition, for one plane.
    fn reference(
        x: &[f64],
        [h, w]: [usize; 2],
        kernel: [usize; 2],
        config: &AvgPool2dConfig,
        out: [usize; 2],
    ) -> Vec<f64> {
        let (stride, padding) = (config.stride.unwrap_or(kernel), config.padding);
        let mut y = Vec::new();
        for (oy, ox) in (0..out[0]).flat_map(|oy| (0..out[1]).map(move |ox| (oy, ox))) {
            let (mut sum, mut inside, mut padded) = (0.0, 0, 0);
            for (ky, kx) in (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx))) {
                let (row, column) = (oy * stride[0] + ky, ox * stride[1] + kx);
                padded += usize::from(row < h + 2 * padding[0] && column < w + 2 * padding[1]);
                let (row, column) = (
                    row.wrapping_sub(padding[0]),
                    column.wrapping_sub(padding[1]),
                );
                if row < h && column < w {
                    sum += x[row * w + column];
                    inside += 1;
                }
            }
            let count = if config.count_include_pad {
                padded
            } else {
                inside
            };
            y.push(sum / config.divisor_override.unwrap_or(count) as f64);
        }
        y
    }

    #[test]
    fn forward_matches_reference() {
        for (kernel, config) in cases() {
            let x = sampled(&[2, 2, 5, 6], 1);
            let y = Var::constant(x.clone())
                .avg_pool2d(kernel, &config)
                .unwrap();
            let out = [y.dims()[2], y.dims()[3]];
            let planes = x.to_vec::<f64>().unwrap();
            let want: Vec<f64> = planes
                .chunks(30)
                .flat_map(|p| reference(p, [5, 6], kernel, &config, out))
                .collect();
            check_forward(|v| v[0].avg_pool2d(kernel, &config), &[x], &want);
        }
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for (kernel, config) in cases() {
            check_gradient(
                |v| v[0].avg_pool2d(kernel, &config)?.square(),
                &[sampled(&[1, 2, 4, 5], 1)],
            );
        }
    }

    #[test]
    fn accepts_strided_views() {
        for (kernel, config) in cases() {
            check_layouts(
                |v| v[0].avg_pool2d(kernel, &config),
                &[sampled(&[2, 2, 5, 6], 1)],
            );
            check_empty(|v| v[0].avg_pool2d(kernel, &config), &[&[0, 2, 5, 6]]);
        }
    }

    #[test]
    fn museum_39_what_hangs_over_does_not_count() {
        let x = leaf(&(0..49).map(f64::from).collect::<Vec<_>>(), [1, 7, 7]);
        let config = AvgPool2dConfig {
            stride: Some([3, 3]),
            ceil_mode: true,
            ..PLAIN
        };
        let y = x.avg_pool2d([2, 2], &config).unwrap();
        assert_eq!(
            values(&y),
            [4.0, 7.0, 9.5, 25.0, 28.0, 30.5, 42.5, 45.5, 48.0]
        );
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(
            [got[0], got[6], got[42], got[48], got[2]],
            [0.25, 0.5, 0.5, 1.0, 0.0]
        );
    }

    #[test]
    fn museum_49_the_mean_of_ones_is_one() {
        let x = Var::constant(Tensor::ones([1, 1, 100, 100], crate::DType::F32).unwrap());
        assert_eq!(values(&x.avg_pool2d([100, 100], &PLAIN).unwrap()), [1.0]);
    }

    #[test]
    fn rejects_windows_that_do_not_fit() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        for (kernel, config) in [
            ([0, 2], PLAIN),
            (
                [2, 2],
                AvgPool2dConfig {
                    stride: Some([0, 1]),
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                AvgPool2dConfig {
                    padding: [2, 0],
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                AvgPool2dConfig {
                    divisor_override: Some(0),
                    ..PLAIN
                },
            ),
        ] {
            let got = x.avg_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = x.avg_pool2d([5, 2], &PLAIN);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.avg_pool2d([2, 2], &PLAIN),
            Err(Error::DType { .. })
        ));
    }
}
