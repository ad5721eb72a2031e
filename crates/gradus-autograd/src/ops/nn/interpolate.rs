//! Images, sequences and volumes brought to another size.

use gradus_linalg::resample::Taps;
use gradus_tensor::{Error, Result, Shape};

use crate::Var;
use crate::ops::support::conv::require_positive;
use crate::ops::support::resample::along;
use crate::ops::support::{pool, require};
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};

/// What stands between the elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterpolateMode {
    /// The element at or before; any number of sides.
    #[default]
    Nearest,
    /// The element whose centre is nearest; any number of sides.
    NearestExact,
    /// Straight lines; one side (`linear`), two (`bilinear`) or three (`trilinear`).
    Linear,
    /// Cubic convolution with a = -0.75 (-0.5 with antialiasing); two sides.
    Bicubic,
    /// The mean of what an element of the result covers, as adaptive average pooling; any number of sides.
    Area,
}

/// How [`Var::interpolate`] finds its values. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterpolateConfig {
    /// What stands between the elements. Default: the nearest.
    pub mode: InterpolateMode,
    /// Whether the centres of the outer elements stay where they are, and not their edges; for `Linear` and `Bicubic`. Default off.
    pub align_corners: bool,
    /// Whether a scale factor only gives the size, and the true scale follows from the sizes. Default off.
    pub recompute_scale_factor: bool,
    /// Whether filters widen as the result gets smaller; for `Linear` and `Bicubic` over two sides. Default off.
    pub antialias: bool,
}

/// The size of the result: one number stands for all sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InterpolateTo<'a> {
    /// These sides.
    Size(&'a [usize]),
    /// The input's sides times these factors, rounded down.
    Scale(&'a [f64]),
}

/// One side: its elements before and after, and the step of the result in elements of the input.
#[derive(Clone, Copy, Debug)]
struct Side {
    input: usize,
    output: usize,
    step: f64,
}

const NAME: &str = "interpolate";

/// For each side what was given, one value standing for all.
fn each<T: Copy>(given: &[T], sides: usize) -> Result<Vec<T>> {
    match given {
        [all] => Ok(vec![*all; sides]),
        _ if given.len() == sides => Ok(given.to_vec()),
        _ => Err(Error::Length {
            op: NAME,
            expected: sides,
            got: given.len(),
        }),
    }
}

/// The sides of the result; a step per side if a factor sets it.
fn sides_of(x: &Shape, to: InterpolateTo<'_>, config: &InterpolateConfig) -> Result<Vec<Side>> {
    let input = &x.dims()[2..];
    require_positive(NAME, "input side", input)?;
    let (output, factors) = match to {
        InterpolateTo::Size(sizes) => (each(sizes, input.len())?, None),
        InterpolateTo::Scale(factors) => {
            let factors = each(factors, input.len())?;
            let mut output = Vec::with_capacity(input.len());
            for (&n, &factor) in input.iter().zip(&factors) {
                let side = (n as f64 * factor).floor();
                let fits = side >= 1.0 && side < (1_u64 << 31) as f64;
                let expected = "so large that a side of at least 1 is left, and of less than 2^31";
                require(fits, NAME, "scale_factor", expected, factor)?;
                output.push(side as usize);
            }
            (output, (!config.recompute_scale_factor).then_some(factors))
        }
    };
    require_positive(NAME, "size", &output)?;
    for &side in &output {
        require(side < 1 << 31, NAME, "size", "less than 2^31", side as f64)?;
    }
    let side = |d: usize| {
        let (n, m) = (input[d], output[d]);
        let step = if config.align_corners && smooth(config.mode) {
            if m > 1 {
                (n - 1) as f64 / (m - 1) as f64
            } else {
                0.0
            }
        } else {
            factors.as_ref().map_or(n as f64 / m as f64, |f| 1.0 / f[d])
        };
        Side {
            input: n,
            output: m,
            step,
        }
    };
    Ok((0..input.len()).map(side).collect())
}

fn smooth(mode: InterpolateMode) -> bool {
    matches!(mode, InterpolateMode::Linear | InterpolateMode::Bicubic)
}

impl Side {
    /// The place under the centre of an element of the result, in elements of the input.
    fn source(&self, o: usize, align_corners: bool) -> f64 {
        if align_corners {
            o as f64 * self.step
        } else {
            (o as f64 + 0.5) * self.step - 0.5
        }
    }

    fn taps(&self, config: &InterpolateConfig) -> Taps {
        let mut taps = Taps::over(self.input);
        for o in 0..self.output {
            if config.antialias {
                taps.push(self.filtered(o, config.mode));
                continue;
            }
            match config.mode {
                InterpolateMode::Nearest => taps.push([self.nearest(o as f64 * self.step)]),
                InterpolateMode::NearestExact => {
                    taps.push([self.nearest(self.source(o, false).max(0.0) + 0.5)]);
                }
                InterpolateMode::Bicubic => taps.push(self.cubic(o, config.align_corners)),
                _ => taps.push(self.linear(o, config.align_corners)),
            }
        }
        taps
    }

    /// PyTorch takes the place in single precision, which rounds what falls just short of an element up to it.
    fn nearest(&self, at: f64) -> (usize, f64) {
        let place = (at as f32).floor().max(0.0) as usize;
        (place.min(self.input - 1), 1.0)
    }

    fn linear(&self, o: usize, align_corners: bool) -> [(usize, f64); 2] {
        if self.input == self.output {
            return [(o, 1.0), (o, 0.0)];
        }
        let at = self.source(o, align_corners).max(0.0);
        let first = (at.floor() as usize).min(self.input - 1);
        let share = (at - first as f64).clamp(0.0, 1.0);
        let second = (first + 1).min(self.input - 1);
        [(first, 1.0 - share), (second, share)]
    }

    fn cubic(&self, o: usize, align_corners: bool) -> [(usize, f64); 4] {
        let at = self.source(o, align_corners);
        let (first, share) = (at.floor(), at - at.floor());
        [-1.0, 0.0, 1.0, 2.0].map(|k| {
            let place = (first + k).clamp(0.0, (self.input - 1) as f64);
            (place as usize, convolution(share - k, -0.75))
        })
    }

    /// The filter stretched over all that an element of the result covers.
    fn filtered(&self, o: usize, mode: InterpolateMode) -> Vec<(usize, f64)> {
        let cubic = mode == InterpolateMode::Bicubic;
        let width = self.step.max(1.0);
        let reach = if cubic { 2.0 } else { 1.0 } * width;
        let centre = self.step * (o as f64 + 0.5);
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5).max(0.0) as usize).min(self.input);
        let weight = |place: usize| {
            let x = (place as f64 - centre + 0.5) / width;
            if cubic {
                convolution(x, -0.5)
            } else {
                (1.0 - x.abs()).max(0.0)
            }
        };
        let all: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = all.iter().sum();
        let scale = if total == 0.0 { 1.0 } else { 1.0 / total };
        (first..end).zip(all.iter().map(|w| w * scale)).collect()
    }
}

/// The kernel of cubic convolution; Keys 1981.
fn convolution(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

impl Var {
    /// The input brought to another size, with values between its elements found as the mode says.
    ///
    /// # Shapes
    /// `(N, C, L)`, `(N, C, H, W)` or `(N, C, D, H, W)`; the sides become those of `to`.
    ///
    /// # Numerics
    /// Side by side, from the last to the first: places and weights in f64, sums in the dtype. Nearest places are rounded to f32 first,
    /// as PyTorch does. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` times the same weights, to the elements that they were of. Any number of times. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`]; [`Error::Length`] if `to` has neither one entry nor one for each side; [`Error::Argument`] if a side is or
    /// becomes 0, the mode is not for so many sides, or `align_corners` or `antialias` not for the mode; [`Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::{InterpolateConfig, InterpolateMode, InterpolateTo}};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f32, 4.0], [1, 1, 2])?);
    /// let config = InterpolateConfig { mode: InterpolateMode::Linear, ..Default::default() };
    /// let y = x.interpolate(InterpolateTo::Scale(&[2.0]), &config)?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [0.0, 1.0, 3.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.interpolate`.
    pub fn interpolate(&self, to: InterpolateTo<'_>, config: &InterpolateConfig) -> Result<Self> {
        if !(3..=5).contains(&self.rank()) {
            return Err(Error::Rank {
                op: NAME,
                expected: 4,
                got: *self.shape(),
            });
        }
        let count = self.rank() - 2;
        let bicubic = config.mode == InterpolateMode::Bicubic;
        let fits = !bicubic || count == 2;
        require(
            fits,
            NAME,
            "mode",
            "of two sides, for bicubic",
            count as f64,
        )?;
        let aligned = !config.align_corners || smooth(config.mode);
        let expected = "false, unless the mode is linear or bicubic";
        require(aligned, NAME, "align_corners", expected, 1.0)?;
        let filtered = !config.antialias || smooth(config.mode) && count == 2;
        let expected = "false, unless the mode is bilinear or bicubic";
        require(filtered, NAME, "antialias", expected, 1.0)?;
        let sides = sides_of(self.shape(), to, config)?;
        // The result must be a shape before its taps are laid out.
        let output: Vec<usize> = sides.iter().map(|side| side.output).collect();
        Shape::new(&[&self.dims()[..2], &output].concat())?;
        if config.mode == InterpolateMode::Area {
            return match output[..] {
                [l] => pool::adaptive_avg_pool(NAME, self, [l]),
                [h, w] => pool::adaptive_avg_pool(NAME, self, [h, w]),
                _ => pool::adaptive_avg_pool(NAME, self, [output[0], output[1], output[2]]),
            };
        }
        let mut y = self.clone();
        for (d, side) in sides.iter().enumerate().rev() {
            y = along(&y, 2 + d, side.taps(config))?;
        }
        Ok(y)
    }
}

const MODES: &[&str] = &[
    "nearest",
    "nearest-exact",
    "linear",
    "bilinear",
    "trilinear",
    "bicubic",
    "area",
];

/// The attributes as options; the word of a linear mode must be that of the number of sides.
fn options(a: &Args) -> Result<InterpolateConfig> {
    let rank = a.var("x")?.rank();
    let mode = match a.choice("mode", MODES)? {
        0 => InterpolateMode::Nearest,
        1 => InterpolateMode::NearestExact,
        5 => InterpolateMode::Bicubic,
        6 => InterpolateMode::Area,
        linear => {
            let expected = "linear for one side, bilinear for two, trilinear for three";
            require(rank == linear + 1, NAME, "mode", expected, rank as f64)?;
            InterpolateMode::Linear
        }
    };
    if !smooth(mode) {
        let given = a.is_none("align_corners")?;
        let expected = "left out, unless the mode is linear or bicubic";
        require(given, NAME, "align_corners", expected, 0.0)?;
    }
    Ok(InterpolateConfig {
        mode,
        align_corners: a.opt("align_corners", Args::flag)?.unwrap_or(false),
        recompute_scale_factor: a
            .opt("recompute_scale_factor", Args::flag)?
            .unwrap_or(false),
        antialias: a.flag("antialias")?,
    })
}

fn call(a: &Args) -> Result<Vec<Var>> {
    let (x, config) = (a.var("x")?, options(a)?);
    let (size, factors) = (
        a.opt("size", Args::sizes)?,
        a.opt("scale_factor", Args::floats)?,
    );
    let to = match (&size, &factors) {
        (Some(size), None) => InterpolateTo::Size(size),
        (None, Some(factors)) => InterpolateTo::Scale(factors),
        _ => {
            return Err(Error::Call {
                op: NAME,
                name: "size".to_owned(),
                expected: "either size or scale_factor must be given".to_owned(),
            });
        }
    };
    Ok(one(x.interpolate(to, &config)?))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, call)
        .input("x", Kind::Float)
        .attr("size", AttrType::Ints, Attr::None)
        .attr("scale_factor", AttrType::Floats, Attr::None)
        .attr("mode", AttrType::Text, "nearest")
        .attr("align_corners", AttrType::Bool, Attr::None)
        .attr("recompute_scale_factor", AttrType::Bool, Attr::None)
        .attr("antialias", AttrType::Bool, false)
        .reference(reference)
        .draw(draw)
}

/// The share of input element `i` in element `o` of the result, by the definition of the mode.
fn share(config: &InterpolateConfig, n: usize, m: usize, step: f64, o: usize, i: usize) -> f64 {
    let last = n as f64 - 1.0;
    let (i, centre) = (i as f64, (o as f64 + 0.5) * step - 0.5);
    let at = if config.align_corners {
        o as f64 * step
    } else {
        centre
    };
    let hit = |place: f64| f64::from(u8::from(place.clamp(0.0, last) == i));
    match config.mode {
        InterpolateMode::Area => {
            let (low, high) = (o * n / m, ((o + 1) * n).div_ceil(m));
            let inside = i >= low as f64 && i < high as f64;
            if inside {
                1.0 / (high - low) as f64
            } else {
                0.0
            }
        }
        InterpolateMode::Nearest => hit(f64::from((o as f64 * step) as f32).floor()),
        InterpolateMode::NearestExact => hit((centre + 0.5).floor()),
        _ if config.antialias => {
            let width = step.max(1.0);
            let weight = |i: f64| {
                let x = (i - centre) / width;
                if config.mode == InterpolateMode::Bicubic {
                    convolution(x, -0.5)
                } else {
                    (1.0 - x.abs()).max(0.0)
                }
            };
            weight(i) / (0..n).map(|i| weight(i as f64)).sum::<f64>()
        }
        InterpolateMode::Linear => (1.0 - (at.clamp(0.0, last) - i).abs()).max(0.0),
        InterpolateMode::Bicubic => (-1..=2)
            .map(|k| at.floor() + f64::from(k))
            .map(|place| hit(place) * convolution(at - place, -0.75))
            .sum(),
    }
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, config) = (a.dense("x")?, options(a)?);
    let sizes = a.opt("size", Args::sizes)?;
    let factors = a.opt("scale_factor", Args::floats)?;
    let (mut dims, mut steps) = (x.dims.clone(), Vec::new());
    for d in 2..x.rank() {
        let n = x.dims[d] as f64;
        let m = match (&sizes, &factors) {
            (Some(all), _) => all[(d - 2).min(all.len() - 1)],
            (_, Some(all)) => (n * all[(d - 2).min(all.len() - 1)]).floor() as usize,
            _ => x.dims[d],
        };
        dims[d] = m;
        let factor = factors.as_ref().map(|all| all[(d - 2).min(all.len() - 1)]);
        steps.push(match factor {
            _ if config.align_corners => (n - 1.0) / (m.max(2) as f64 - 1.0),
            Some(factor) if !config.recompute_scale_factor => 1.0 / factor,
            _ => n / m as f64,
        });
    }
    let y = Dense::from_fn(&dims, |at| {
        let mut sum = 0.0;
        crate::registry::for_each_index(&x.dims[2..], |from| {
            let weight: f64 = (0..from.len())
                .map(|d| {
                    share(
                        &config,
                        x.dims[d + 2],
                        dims[d + 2],
                        steps[d],
                        at[d + 2],
                        from[d],
                    )
                })
                .product();
            sum += weight * x.at(&[&at[..2], from].concat());
        });
        sum
    });
    Ok(vec![y])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.shape(3..=5, 1..=3);
    let sides = dims.len() - 2;
    let linear = ["linear", "bilinear", "trilinear"][sides - 1];
    let mut modes = vec!["nearest", linear, "area", "nearest-exact"];
    if sides == 2 {
        modes.extend(["bicubic", "bicubic", linear]);
    }
    let mode = d.pick(&modes);
    let mut args = Args::new().attr("mode", mode);
    if mode == linear || mode == "bicubic" {
        if d.flag() {
            args = args.attr("align_corners", d.flag());
        } else if sides == 2 {
            args = args.attr("antialias", d.flag());
        }
    }
    // Sides of large cases stay as they are.
    let small = dims.iter().product::<usize>() < 1000;
    args = if d.flag() && small {
        let all: Vec<f64> = (0..sides).map(|_| d.pick(&[1.0, 1.5, 2.0, 2.5])).collect();
        let all = if d.flag() { vec![all[0]] } else { all };
        args.attr("scale_factor", all)
            .attr("recompute_scale_factor", d.flag())
    } else {
        let resized: Vec<usize> = dims[2..]
            .iter()
            .map(|&side| if small { d.range(1..=5) } else { side })
            .collect();
        args.attr("size", &resized[..])
    };
    Ok(args.with("x", d.reals(&dims)?))
}

#[cfg(test)]
mod tests {
    use super::{InterpolateConfig, InterpolateMode, InterpolateTo};
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn rejects_modes_that_do_not_fit() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        let with = |x: &Var, mode, align_corners, antialias| {
            let config = InterpolateConfig {
                mode,
                align_corners,
                antialias,
                ..Default::default()
            };
            x.interpolate(InterpolateTo::Size(&[3]), &config)
        };
        let image = x(&[1, 1, 4, 4]);
        for got in [
            with(&x(&[1, 1, 4]), InterpolateMode::Bicubic, false, false),
            with(&image, InterpolateMode::Nearest, true, false),
            with(&image, InterpolateMode::Area, false, true),
            with(&x(&[1, 1, 0]), InterpolateMode::Nearest, false, false),
            image.interpolate(InterpolateTo::Scale(&[0.1]), &InterpolateConfig::default()),
            image.interpolate(
                InterpolateTo::Scale(&[f64::NAN]),
                &InterpolateConfig::default(),
            ),
            image.interpolate(InterpolateTo::Size(&[0]), &InterpolateConfig::default()),
        ] {
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = image.interpolate(
            InterpolateTo::Size(&[1, 2, 3]),
            &InterpolateConfig::default(),
        );
        assert!(matches!(got, Err(Error::Length { .. })), "{got:?}");
        let got = x(&[4, 4]).interpolate(InterpolateTo::Size(&[2]), &InterpolateConfig::default());
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
