//! The largest element of each window of an image.

use gradus_linalg::Float;
use gradus_linalg::pool::{self, Pool2d};
use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::index::scatter_rows;
use crate::ops::support::{pool as windows, scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How the windows lie. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2dConfig {
    /// Steps of the window, down and across. Default: the window's sides, so that windows do not overlap.
    pub stride: Option<[usize; 2]>,
    /// Added on both sides of height and width, never chosen; at most half of the window. Default 0.
    pub padding: [usize; 2],
    /// Distance between the window's elements. Default 1.
    pub dilation: [usize; 2],
    /// Rounds the number of windows up instead of down: the last may hang over the edge. Default off.
    pub ceil_mode: bool,
}

impl Default for MaxPool2dConfig {
    fn default() -> Self {
        Self {
            stride: None,
            padding: [0, 0],
            dilation: [1, 1],
            ceil_mode: false,
        }
    }
}

/// Statistic 0 holds the winners' places in their planes, u32 as the bits of f32: a dtype that the storage pool has.
#[derive(Debug)]
struct MaxPool2d {
    pool: Pool2d,
    shape: Shape,
}

fn forward<T: Float>(x: &Tensor, op: &MaxPool2d, stats: &mut Stats) -> Result<Tensor> {
    let x = x.contiguous()?;
    let from = x.as_slice::<T>()?;
    let mut places = Tensor::zeros(op.shape, gradus_tensor::DType::F32)?;
    let y = Tensor::try_build(op.shape, |dst: &mut [T]| {
        let places = bytemuck::cast_slice_mut(places.make_mut::<f32>()?);
        pool::max_pool2d(dst, places, from, &op.pool);
        Ok(())
    })?;
    stats.push(places);
    Ok(y)
}

impl MaxPool2d {
    /// The gradient by ops that have gradients: each window's added to its winner, row by row of `(planes, H · W)`.
    fn composed(&self, grad: &Var, places: &[u32], shape: &Shape) -> Result<Var> {
        let none = |&place: &u32| place == u32::MAX; // a window that misses the image
        let positions: Vec<usize> = places
            .iter()
            .map(|p| if none(p) { 0 } else { *p as usize })
            .collect();
        let hits: Vec<bool> = places.iter().map(|p| !none(p)).collect();
        let hits = Tensor::from_slice(&hits, self.shape)?;
        let grad = grad.where_(&hits, &scalar_like(grad, 0.0)?)?;
        let outputs: usize = self.shape.dims()[self.shape.rank() - 2..].iter().product();
        let inputs = self.pool.input[0] * self.pool.input[1];
        let planes = shape.numel() / inputs;
        scatter_rows(&grad.reshape([planes, outputs])?, positions, inputs)?.reshape(shape)
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => Ok(forward::<T>(inputs[0], self, stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, shape) = (ctx.grad(grad_out, 0)?, ctx.input_shape(0));
        let places: &[u32] = bytemuck::cast_slice(ctx.stat(0)?.as_slice::<f32>()?);
        if ctx.create_graph() {
            return Ok(vec![Some(self.composed(&grad, places, shape)?)]);
        }
        let grad = grad.tensor().contiguous()?;
        let grad_in = with_float!(grad.dtype(), self.name(), T => {
            let grad = grad.as_slice::<T>()?;
            Tensor::build(shape, |dst: &mut [T]| pool::max_pool2d_backward(dst, grad, places, &self.pool))
        })?;
        Ok(vec![Some(Var::constant(grad_in))])
    }
}

impl Var {
    /// The largest element of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become
    /// `⌊(H + 2 padding - dilation (K - 1) - 1) / stride⌋ + 1`, rounded up with `ceil_mode` as long as the last window
    /// starts in the image or the padding before it.
    ///
    /// # Numerics
    /// Exact. NaN wins. A window that misses the image by its dilation gives -∞. f32 or f64.
    ///
    /// # Gradient
    /// All of a window's to its winner: the first of equal elements in row-major order. Keeps the winners' places.
    ///
    /// # Errors
    /// [`Error::Rank`]; [`Error::Argument`] if a side of image or window or a stride or dilation is 0, or the padding exceeds half the
    /// window; [`Error::ShapeMismatch`] if no window fits; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::MaxPool2dConfig};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// let y = x.max_pool2d([2, 2], &MaxPool2dConfig::default())?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [4.0, 8.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.max_pool2d`.
    pub fn max_pool2d(&self, kernel_size: [usize; 2], config: &MaxPool2dConfig) -> Result<Self> {
        let input = windows::plane("max_pool2d", self.shape())?;
        if u32::try_from(input[0].saturating_mul(input[1])).is_err() {
            return Err(Error::Overflow {
                op: "max_pool2d",
                what: "number of elements of an image",
            });
        }
        let pool = Pool2d {
            input,
            kernel: kernel_size,
            stride: config.stride.unwrap_or(kernel_size),
            padding: config.padding,
            dilation: config.dilation,
            ceil_mode: config.ceil_mode,
        };
        let shape = windows::pooled("max_pool2d", self.shape(), &pool)?;
        apply(MaxPool2d { pool, shape }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use super::MaxPool2dConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    const PLAIN: MaxPool2dConfig = MaxPool2dConfig {
        stride: None,
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    };

    /// Windows: sides and how they lie.
    fn cases() -> Vec<([usize; 2], MaxPool2dConfig)> {
        vec![
            ([2, 2], PLAIN),
            (
                [3, 2],
                MaxPool2dConfig {
                    stride: Some([2, 1]),
                    padding: [1, 1],
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                MaxPool2dConfig {
                    stride: Some([1, 1]),
                    dilation: [2, 3],
                    ..PLAIN
                },
            ),
            (
                [2, 3],
                MaxPool2dConfig {
                    stride: Some([3, 2]),
                    ceil_mode: true,
                    ..PLAIN
                },
            ),
        ]
    }

    /// The largest of every window by the definition, for one plane.
    fn reference(
        x: &[f64],
        [h, w]: [usize; 2],
        kernel: [usize; 2],
        config: &MaxPool2dConfig,
        out: [usize; 2],
    ) -> Vec<f64> {
        let stride = config.stride.unwrap_or(kernel);
        let mut y = Vec::new();
        for (oy, ox) in (0..out[0]).flat_map(|oy| (0..out[1]).map(move |ox| (oy, ox))) {
            let mut largest = f64::NEG_INFINITY;
            for (ky, kx) in (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx))) {
                let row =
                    (oy * stride[0] + ky * config.dilation[0]).wrapping_sub(config.padding[0]);
                let column =
                    (ox * stride[1] + kx * config.dilation[1]).wrapping_sub(config.padding[1]);
                if row < h && column < w {
                    largest = largest.max(x[row * w + column]);
                }
            }
            y.push(largest);
        }
        y
    }

    #[test]
    fn forward_matches_reference() {
        for (kernel, config) in cases() {
            let x = sampled(&[2, 2, 5, 6], 1);
            let y = Var::constant(x.clone())
                .max_pool2d(kernel, &config)
                .unwrap();
            let out = [y.dims()[2], y.dims()[3]];
            let planes = x.to_vec::<f64>().unwrap();
            let want: Vec<f64> = planes
                .chunks(30)
                .flat_map(|p| reference(p, [5, 6], kernel, &config, out))
                .collect();
            check_forward(|v| v[0].max_pool2d(kernel, &config), &[x], &want);
        }
        let ceil = cases()[3];
        let x = Var::constant(sampled(&[2, 5, 6], 1));
        assert_eq!(x.max_pool2d(ceil.0, &ceil.1).unwrap().dims(), [2, 2, 3]);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for (kernel, config) in cases() {
            check_gradient(
                |v| v[0].max_pool2d(kernel, &config)?.square(),
                &[sampled(&[1, 2, 4, 5], 5)],
            );
        }
    }

    #[test]
    fn accepts_strided_views() {
        for (kernel, config) in cases() {
            check_layouts(
                |v| v[0].max_pool2d(kernel, &config),
                &[sampled(&[2, 2, 5, 6], 1)],
            );
            check_empty(|v| v[0].max_pool2d(kernel, &config), &[&[0, 2, 5, 6]]);
            check_empty(|v| v[0].max_pool2d(kernel, &config), &[&[2, 0, 5, 6]]);
        }
    }

    #[test]
    fn museum_38_ties_go_to_the_first_and_dilation_is_respected() {
        let slopes = |x: &[f64], dims: [usize; 3], kernel, config: &MaxPool2dConfig| {
            let x = leaf(x, dims);
            let y = x.max_pool2d(kernel, config).unwrap();
            let grads = y.sum(&[], false).unwrap().backward().unwrap();
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap()
        };
        assert_eq!(
            slopes(&[7.0; 4], [1, 2, 2], [2, 2], &PLAIN),
            [1.0, 0.0, 0.0, 0.0]
        );
        // The middle is in no window of two elements with a gap of one.
        let gap = MaxPool2dConfig {
            dilation: [1, 2],
            ..PLAIN
        };
        assert_eq!(
            slopes(&[1.0, 9.0, 2.0], [1, 1, 3], [1, 2], &gap),
            [0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn rejects_windows_that_do_not_fit() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        for (kernel, config) in [
            ([0, 2], PLAIN),
            (
                [2, 2],
                MaxPool2dConfig {
                    stride: Some([0, 1]),
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                MaxPool2dConfig {
                    padding: [2, 0],
                    ..PLAIN
                },
            ),
        ] {
            let got = x.max_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        for (kernel, config) in [
            ([5, 2], PLAIN),
            (
                [2, 2],
                MaxPool2dConfig {
                    dilation: [usize::MAX, 1],
                    ..PLAIN
                },
            ),
        ] {
            let got = x.max_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        }
        let flat = Var::constant(sampled(&[4, 4], 1)).max_pool2d([2, 2], &PLAIN);
        assert!(matches!(flat, Err(Error::Rank { .. })));
        let none = Var::constant(sampled(&[1, 2, 0, 4], 1)).max_pool2d([2, 2], &PLAIN);
        assert!(matches!(none, Err(Error::Argument { .. })));
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.max_pool2d([2, 2], &PLAIN),
            Err(Error::DType { .. })
        ));
    }
}
