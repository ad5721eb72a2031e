//! Images and volumes read at any places.

use gradus_linalg::grid_sample::{
    GridSample as Geometry, SampleMode, SamplePadding, grid_sample, grid_sample_grad_grid,
    grid_sample_grad_input,
};
use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::support::conv::{lifted, require_positive};
use crate::ops::support::{same_dtype, with_float};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How [`Var::grid_sample`] finds its values. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSampleConfig {
    /// How elements between the places are weighted. Default: linearly.
    pub mode: SampleMode,
    /// What lies outside. Default: zeros.
    pub padding_mode: SamplePadding,
    /// Whether -1 and 1 are the centres of the outer elements, not their edges. Default off.
    pub align_corners: bool,
}

impl Default for GridSampleConfig {
    fn default() -> Self {
        Self {
            mode: SampleMode::Bilinear,
            padding_mode: SamplePadding::Zeros,
            align_corners: false,
        }
    }
}

const NAME: &str = "grid_sample";

/// Inputs: x, grid. `shape` is the result's.
#[derive(Clone, Copy, Debug)]
struct GridSample {
    geometry: Geometry,
    shape: Shape,
}

impl Op for GridSample {
    fn name(&self) -> &'static str {
        NAME
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (x, grid) = (inputs[0].contiguous()?, inputs[1].contiguous()?);
        with_float!(x.dtype(), NAME, T => {
            let (x, grid) = (x.as_slice::<T>()?, grid.as_slice::<T>()?);
            let y = Tensor::build(self.shape, |dst: &mut [T]| grid_sample(dst, x, grid, &self.geometry))?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        ctx.refuse_twice()?;
        let grad = ctx.grad(grad_out, 0)?.tensor().contiguous()?;
        let (x, grid) = (ctx.input(0)?, ctx.input(1)?);
        let (x, grid) = (x.tensor().contiguous()?, grid.tensor().contiguous()?);
        let (mut grad_x, mut grad_grid) = (None, None);
        with_float!(x.dtype(), NAME, T => {
            let (g, places) = (grad.as_slice::<T>()?, grid.as_slice::<T>()?);
            if ctx.needs(0) {
                grad_x = Some(Var::constant(Tensor::build(x.shape(), |dst: &mut [T]| {
                    grid_sample_grad_input(dst, g, places, &self.geometry);
                })?));
            }
            if ctx.needs(1) {
                let values = x.as_slice::<T>()?;
                grad_grid = Some(Var::constant(Tensor::build(grid.shape(), |dst: &mut [T]| {
                    grid_sample_grad_grid(dst, g, values, places, &self.geometry);
                })?));
            }
            Ok(())
        })?;
        Ok(vec![grad_x, grad_grid])
    }
}

/// Sizes, if the two fit, and the shape of the result.
fn geometry(x: &Shape, grid: &Shape, config: &GridSampleConfig) -> Result<(Geometry, Shape)> {
    let sides = match x.rank() {
        4 => 2,
        5 => 3,
        _ => {
            return Err(Error::Rank {
                op: NAME,
                expected: 4,
                got: *x,
            });
        }
    };
    let mismatch = |rule| Error::ShapeMismatch {
        op: NAME,
        lhs: *x,
        rhs: *grid,
        rule,
    };
    if grid.rank() != x.rank() || grid[0] != x[0] {
        return Err(mismatch(
            "the grid has the input's batch and a dim for each of its sides",
        ));
    }
    if grid[sides + 1] != sides {
        return Err(mismatch(
            "the last dim of the grid has one coordinate for each side",
        ));
    }
    require_positive(NAME, "input side", &x[2..])?;
    let geometry = Geometry {
        batch: x[0],
        channels: x[1],
        sides,
        input: lifted(&x[2..], 1),
        positions: grid[1..=sides].iter().product(),
        mode: config.mode,
        padding: config.padding_mode,
        align_corners: config.align_corners,
    };
    let shape = Shape::new(&[&x[..2], &grid[1..=sides]].concat())?;
    Ok((geometry, shape))
}

impl Var {
    /// The values of images or volumes at the places of a grid.
    ///
    /// # Shapes
    /// - `self`: `(N, C, H, W)` or `(N, C, D, H, W)`
    /// - `grid`: `(N, H', W', 2)` or `(N, D', H', W', 3)`: x, y (and z) from -1, the left and upper edge, to 1
    /// - returns `(N, C, H', W')` or `(N, C, D', H', W')`
    ///
    /// # Numerics
    /// Places, weights and sums in f64. A place that is not finite gives 0. f32 or f64, both alike.
    ///
    /// # Gradient
    /// For the input `grad_out` times the weights, for the grid times their slopes: 0 along a coordinate that the padding keeps at the
    /// border, and with the nearest element. Fused: once only. Saves both.
    ///
    /// # Errors
    /// [`Error::Rank`]; [`Error::ShapeMismatch`]; [`Error::Argument`] if a side is 0;
    /// [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::GridSampleConfig};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [1, 1, 2, 2])?);
    /// let centre = Var::from(Tensor::from_slice(&[0.0_f32, 0.0], [1, 1, 1, 2])?);
    /// assert_eq!(x.grid_sample(&centre, &GridSampleConfig::default())?.item::<f32>()?, 2.5);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.grid_sample`. Jaderberg et al. 2015, arXiv:1506.02025.
    pub fn grid_sample(&self, grid: &Self, config: &GridSampleConfig) -> Result<Self> {
        let (geometry, shape) = geometry(self.shape(), grid.shape(), config)?;
        same_dtype(NAME, self.tensor(), grid.tensor())?;
        apply(GridSample { geometry, shape }, &[self, grid])
    }
}

fn options(a: &Args) -> Result<GridSampleConfig> {
    let modes = [
        SampleMode::Bilinear,
        SampleMode::Nearest,
        SampleMode::Bicubic,
    ];
    let paddings = [
        SamplePadding::Zeros,
        SamplePadding::Border,
        SamplePadding::Reflection,
    ];
    Ok(GridSampleConfig {
        mode: modes[a.choice("mode", &["bilinear", "nearest", "bicubic"])?],
        padding_mode: paddings[a.choice("padding_mode", &["zeros", "border", "reflection"])?],
        align_corners: a.opt("align_corners", Args::flag)?.unwrap_or(false),
    })
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        Ok(one(a
            .var("x")?
            .grid_sample(a.var("grid")?, &options(a)?)?))
    })
    .input("x", Kind::Float)
    .input("grid", Kind::Float)
    .attr("mode", AttrType::Text, "bilinear")
    .attr("padding_mode", AttrType::Text, "zeros")
    .attr("align_corners", AttrType::Bool, crate::registry::Attr::None)
    .kinked()
    .tolerances(1e-4, 1e-11)
    .reference(reference)
    .draw(draw)
}

/// Where -1..1 lies in elements.
fn elements(at: f64, n: f64, align_corners: bool) -> f64 {
    if align_corners {
        (at + 1.0) / 2.0 * (n - 1.0)
    } else {
        ((at + 1.0) * n - 1.0) / 2.0
    }
}

/// The element that stands at a place outside, too: `None` for a zero.
fn folded(at: f64, n: f64, config: &GridSampleConfig) -> Option<f64> {
    let last = n - 1.0;
    match config.padding_mode {
        SamplePadding::Zeros => (at >= 0.0 && at <= last).then_some(at),
        SamplePadding::Border => Some(at.clamp(0.0, last)),
        SamplePadding::Reflection => {
            let (low, high) = if config.align_corners {
                (0.0, last)
            } else {
                (-0.5, last + 0.5)
            };
            let mut at = at;
            while high > low && (at < low || at > high) {
                at = if at < low {
                    2.0 * low - at
                } else {
                    2.0 * high - at
                };
            }
            Some(at.clamp(0.0, last))
        }
    }
}

/// Weight of element `i` at a coordinate of one side.
fn weight(at: f64, i: usize, n: usize, config: &GridSampleConfig) -> f64 {
    let (i, n) = (i as f64, n as f64);
    let raw = elements(at, n, config.align_corners);
    let inside = || match config.padding_mode {
        SamplePadding::Zeros => raw,
        _ => folded(raw, n, config).unwrap_or(raw),
    };
    match config.mode {
        SampleMode::Nearest => f64::from(u8::from(inside().round_ties_even() == i)),
        SampleMode::Bilinear => (1.0 - (inside() - i).abs()).max(0.0),
        SampleMode::Bicubic => (-1..=2)
            .map(|k| raw.floor() + f64::from(k))
            .filter(|&place| folded(place, n, config) == Some(i))
            .map(|place| {
                let (x, a) = ((raw - place).abs(), -0.75);
                if x <= 1.0 {
                    (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
                } else {
                    a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
                }
            })
            .sum(),
    }
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, grid, config) = (a.dense("x")?, a.dense("grid")?, options(a)?);
    let sides = x.rank() - 2;
    let dims = [&x.dims[..2], &grid.dims[1..=sides]].concat();
    let y = Dense::from_fn(&dims, |at| {
        let coordinate = |d: usize| {
            let place = [&[at[0]], &at[2..], &[sides - 1 - d]].concat();
            grid.at(&place)
        };
        let mut sum = 0.0;
        crate::registry::for_each_index(&x.dims[2..], |from| {
            let all = (0..sides).map(|d| weight(coordinate(d), from[d], x.dims[2 + d], &config));
            sum += all.product::<f64>() * x.at(&[&at[..2], from].concat());
        });
        sum
    });
    Ok(vec![y])
}

/// Whether the stencil around this coordinate, drawn in f64 and rounded to f32, meets no kink.
fn smooth(at: f64, n: usize, align_corners: bool) -> bool {
    let place = elements(at, n as f64, align_corners);
    let halves = 2.0 * place;
    (halves - halves.round()).abs() > 0.08
}

fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.shape(4..=5, 1..=3);
    let sides = dims.len() - 2;
    let mode = d.pick(&["bilinear", "nearest", "bicubic"]);
    let padding = d.pick(&["zeros", "border", "reflection"]);
    let align_corners = d.flag();
    let mut places = vec![dims[0]];
    places.extend((0..sides).map(|_| d.range(1..=2)));
    places.push(sides);
    let mut grid: Vec<f64> = Vec::new();
    let count: usize = places.iter().product();
    for i in 0..count {
        // Up to one and a half times beyond the edge; ties and borders have kinks.
        let n = dims[dims.len() - 1 - i % sides];
        let mut at = d.float(Values::between(-1.6, 1.6));
        while n > 0 && n < 1000 && !smooth(at, n, align_corners) && (n > 1 || !align_corners) {
            at = d.float(Values::between(-1.6, 1.6));
        }
        grid.push(at);
    }
    Ok(Args::new()
        .attr("mode", mode)
        .attr("padding_mode", padding)
        .attr("align_corners", align_corners)
        .with("x", d.reals(&dims)?)
        .with("grid", Tensor::from_slice(&grid, &places[..])?))
}

#[cfg(test)]
mod tests {
    use super::GridSampleConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn places_that_are_no_numbers_give_zeros_and_gradients_of_0() {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
        let grid = leaf(&[f64::NAN, 0.0, f64::INFINITY, 0.0], [1, 1, 2, 2]);
        let y = x.grid_sample(&grid, &GridSampleConfig::default()).unwrap();
        assert_eq!(values(&y), [0.0; 2]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        for v in [&x, &grid] {
            let got = grads.get_var(v).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(got, [0.0; 4]);
        }
    }

    #[test]
    fn rejects_grids_that_do_not_fit() {
        let v = |dims: &[usize]| Var::constant(sampled(dims, 1));
        let plain = GridSampleConfig::default();
        for (x, grid) in [
            (&[2, 1, 3, 3][..], &[1, 2, 2, 2][..]),
            (&[2, 1, 3, 3], &[2, 2, 2, 3]),
            (&[2, 1, 3, 3], &[2, 2, 2]),
        ] {
            let got = v(x).grid_sample(&v(grid), &plain);
            assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        }
        let got = v(&[1, 1, 0, 2]).grid_sample(&v(&[1, 1, 1, 2]), &plain);
        assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
    }
}
