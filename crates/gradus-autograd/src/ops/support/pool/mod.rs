//! What poolings of all ranks share: options, sizes and their checks.

mod op;
mod sides;
pub(crate) mod spec;
pub(crate) mod unpool;

use std::sync::Arc;

use gradus_linalg::pool::{AvgDivisor, Pool, Windows};
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::conv::{lifted, require_positive};
use super::require;
use super::vector_norm::{is_zero, replaced};
use crate::{Var, apply, apply_multi};

use op::{Average, Maximum};

/// How the windows of a maximum over `D` sides lie. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPoolConfig<const D: usize> {
    /// Steps of the window. Default: the window's sides, so that windows do not overlap.
    pub stride: Option<[usize; D]>,
    /// Added on both ends of each side, never chosen; at most half of the window. Default 0.
    pub padding: [usize; D],
    /// Distance between the window's elements. Default 1.
    pub dilation: [usize; D],
    /// Rounds the number of windows up instead of down: the last may hang over the edge. Default off.
    pub ceil_mode: bool,
}

impl<const D: usize> Default for MaxPoolConfig<D> {
    fn default() -> Self {
        Self {
            stride: None,
            padding: [0; D],
            dilation: [1; D],
            ceil_mode: false,
        }
    }
}

/// How the windows of an average over `D` sides lie and what their sums are divided by. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPoolConfig<const D: usize> {
    /// Steps of the window. Default: the window's sides, so that windows do not overlap.
    pub stride: Option<[usize; D]>,
    /// Zeros added on both ends of each side; at most half of the window. Default 0.
    pub padding: [usize; D],
    /// Rounds the number of windows up instead of down: the last may hang over the edge. Default off.
    pub ceil_mode: bool,
    /// Whether the zeros of the padding count as elements. What hangs over the padding never does. Default on.
    pub count_include_pad: bool,
    /// Divides by this instead of the number of elements. Default: none.
    pub divisor_override: Option<i64>,
}

impl<const D: usize> Default for AvgPoolConfig<D> {
    fn default() -> Self {
        Self {
            stride: None,
            padding: [0; D],
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

/// The options of [`Var::max_pool1d`].
pub type MaxPool1dConfig = MaxPoolConfig<1>;
/// The options of [`Var::max_pool2d`].
pub type MaxPool2dConfig = MaxPoolConfig<2>;
/// The options of [`Var::max_pool3d`].
pub type MaxPool3dConfig = MaxPoolConfig<3>;
/// The options of [`Var::avg_pool1d`].
pub type AvgPool1dConfig = AvgPoolConfig<1>;
/// The options of [`Var::avg_pool2d`].
pub type AvgPool2dConfig = AvgPoolConfig<2>;
/// The options of [`Var::avg_pool3d`].
pub type AvgPool3dConfig = AvgPoolConfig<3>;

/// The last `D` dims of `(N, C, …)` or `(C, …)`, none of them 0.
fn sides<const D: usize>(op: &'static str, x: &Shape) -> Result<[usize; 3]> {
    if x.rank() != D + 1 && x.rank() != D + 2 {
        return Err(Error::Rank {
            op,
            expected: D + 2,
            got: *x,
        });
    }
    let sides = &x.dims()[x.rank() - D..];
    require_positive(op, "input side", sides)?;
    Ok(lifted(sides, 1))
}

/// The input's shape with other sides.
fn with_sides<const D: usize>(x: &Shape, sides: [usize; 3]) -> Result<Shape> {
    Shape::new(&[&x.dims()[..x.rank() - D], &sides[3 - D..]].concat())
}

/// The windows, if they are such, and the shape of the pooled input.
fn windows<const D: usize>(
    op: &'static str,
    x: &Shape,
    pool: &Pool,
    divisor: AvgDivisor,
) -> Result<(Arc<Windows>, Shape)> {
    require_positive(op, "kernel size", &pool.kernel)?;
    require_positive(op, "stride", &pool.stride)?;
    require_positive(op, "dilation", &pool.dilation)?;
    for (&padding, &kernel) in pool.padding.iter().zip(&pool.kernel) {
        let expected = "at most half of the kernel size";
        require(
            padding <= kernel / 2,
            op,
            "padding",
            expected,
            padding as f64,
        )?;
    }
    let window = Shape::new(&pool.kernel[3 - D..])?;
    let misfit = Error::ShapeMismatch {
        op,
        lhs: *x,
        rhs: window,
        rule: "the window, with its dilation, must fit into the padded input",
    };
    // The output must be a shape before its windows are laid out.
    let Some(sides) = pool.output() else {
        return Err(misfit);
    };
    let shape = with_sides::<D>(x, sides)?;
    let windows = pool.windows(divisor).ok_or(misfit)?;
    Ok((Arc::new(windows), shape))
}

/// The maximum of each window, and, if asked for, its place in the plane.
fn maximum<const D: usize>(
    op: &'static str,
    x: &Var,
    (windows, shape): (Arc<Windows>, Shape),
    indices: bool,
) -> Result<Vec<Var>> {
    let plane: u128 = windows.input().iter().map(|&side| side as u128).product();
    if plane >= u128::from(u32::MAX) {
        let what = "number of elements of a plane";
        return Err(Error::Overflow { op, what });
    }
    apply_multi(
        Maximum {
            op,
            sides: D,
            windows,
            shape,
            indices,
        },
        &[x],
    )
}

/// The two outputs of a maximum with indices.
fn pair(op: &'static str, outputs: Vec<Var>) -> Result<(Var, Tensor)> {
    let [values, indices] = <[Var; 2]>::try_from(outputs).map_err(|got| Error::Length {
        op,
        expected: 2,
        got: got.len(),
    })?;
    Ok((values, indices.into_tensor()))
}

fn first(op: &'static str, mut outputs: Vec<Var>) -> Result<Var> {
    let got = outputs.len();
    outputs.pop().ok_or(Error::Length {
        op,
        expected: 1,
        got,
    })
}

fn max_windows<const D: usize>(
    op: &'static str,
    x: &Var,
    kernel_size: [usize; D],
    config: &MaxPoolConfig<D>,
) -> Result<(Arc<Windows>, Shape)> {
    let pool = Pool {
        input: sides::<D>(op, x.shape())?,
        kernel: lifted(&kernel_size, 1),
        stride: lifted(&config.stride.unwrap_or(kernel_size), 1),
        padding: lifted(&config.padding, 0),
        dilation: lifted(&config.dilation, 1),
        ceil_mode: config.ceil_mode,
    };
    windows::<D>(op, x.shape(), &pool, AvgDivisor::default())
}

/// See [`Var::max_pool2d`].
pub(crate) fn max_pool<const D: usize>(
    op: &'static str,
    x: &Var,
    kernel_size: [usize; D],
    config: &MaxPoolConfig<D>,
) -> Result<Var> {
    let windows = max_windows(op, x, kernel_size, config)?;
    first(op, maximum::<D>(op, x, windows, false)?)
}

/// See [`Var::max_pool2d_with_indices`].
pub(crate) fn max_pool_with_indices<const D: usize>(
    op: &'static str,
    x: &Var,
    kernel_size: [usize; D],
    config: &MaxPoolConfig<D>,
) -> Result<(Var, Tensor)> {
    let windows = max_windows(op, x, kernel_size, config)?;
    pair(op, maximum::<D>(op, x, windows, true)?)
}

/// See [`Var::avg_pool2d`].
pub(crate) fn avg_pool<const D: usize>(
    op: &'static str,
    x: &Var,
    kernel_size: [usize; D],
    config: &AvgPoolConfig<D>,
) -> Result<Var> {
    let pool = Pool {
        input: sides::<D>(op, x.shape())?,
        kernel: lifted(&kernel_size, 1),
        stride: lifted(&config.stride.unwrap_or(kernel_size), 1),
        padding: lifted(&config.padding, 0),
        dilation: [1; 3],
        ceil_mode: config.ceil_mode,
    };
    let divides = config.divisor_override != Some(0);
    require(divides, op, "divisor_override", "not 0", 0.0)?;
    let divisor = AvgDivisor {
        count_include_pad: config.count_include_pad,
        divisor_override: config.divisor_override,
    };
    let (windows, shape) = windows::<D>(op, x.shape(), &pool, divisor)?;
    average::<D>(op, x, windows, shape)
}

fn average<const D: usize>(
    op: &'static str,
    x: &Var,
    windows: Arc<Windows>,
    shape: Shape,
) -> Result<Var> {
    let shapes = [*x.shape(), shape];
    apply(
        Average {
            op,
            windows,
            shapes,
        },
        &[x],
    )
}

fn adaptive_windows<const D: usize>(
    op: &'static str,
    x: &Var,
    output_size: [usize; D],
) -> Result<(Arc<Windows>, Shape)> {
    let input = sides::<D>(op, x.shape())?;
    require_positive(op, "output size", &output_size)?;
    let output = lifted(&output_size, 1);
    // The output must be a shape, and its memory be had, before its windows are laid out.
    let shape = with_sides::<D>(x.shape(), output)?;
    for side in output {
        let expected = "at most 2^31";
        require(side <= 1 << 31, op, "output size", expected, side as f64)?;
    }
    Ok((Arc::new(Windows::adaptive(input, output)), shape))
}

/// See [`Var::adaptive_avg_pool2d`].
pub(crate) fn adaptive_avg_pool<const D: usize>(
    op: &'static str,
    x: &Var,
    output_size: [usize; D],
) -> Result<Var> {
    let (windows, shape) = adaptive_windows(op, x, output_size)?;
    average::<D>(op, x, windows, shape)
}

/// See [`Var::adaptive_max_pool2d`].
pub(crate) fn adaptive_max_pool<const D: usize>(
    op: &'static str,
    x: &Var,
    output_size: [usize; D],
) -> Result<Var> {
    let windows = adaptive_windows(op, x, output_size)?;
    first(op, maximum::<D>(op, x, windows, false)?)
}

/// See [`Var::adaptive_max_pool2d_with_indices`].
pub(crate) fn adaptive_max_pool_with_indices<const D: usize>(
    op: &'static str,
    x: &Var,
    output_size: [usize; D],
) -> Result<(Var, Tensor)> {
    let windows = adaptive_windows(op, x, output_size)?;
    pair(op, maximum::<D>(op, x, windows, true)?)
}

/// See [`Var::lp_pool2d`].
pub(crate) fn lp_pool<const D: usize>(
    op: &'static str,
    x: &Var,
    norm_type: f64,
    kernel_size: [usize; D],
    stride: Option<[usize; D]>,
    ceil_mode: bool,
) -> Result<Var> {
    let usable = norm_type.is_finite() && norm_type != 0.0;
    require(usable, op, "norm_type", "finite and not 0", norm_type)?;
    let config = AvgPoolConfig {
        stride,
        ceil_mode,
        ..AvgPoolConfig::default()
    };
    let mean = avg_pool(op, &x.pow_scalar(norm_type)?, kernel_size, &config)?;
    let count: f64 = kernel_size.iter().map(|&side| side as f64).product();
    let sum = mean.mul_scalar(count)?;
    // The root of 0 has an infinite derivative, which would meet the 0 of the power: such windows have none.
    if norm_type < 0.0 {
        return sum.pow_scalar(1.0 / norm_type);
    }
    let zeros = is_zero(sum.tensor())?;
    let root = replaced(&sum, &zeros, 1.0)?.pow_scalar(1.0 / norm_type)?;
    replaced(&root, &zeros, 0.0)
}
