//! Registration of the poolings: cases, and references that collect the cells of every window by the definition.

use gradus_tensor::Result;

use super::{
    AvgPoolConfig, MaxPoolConfig, adaptive_avg_pool, adaptive_max_pool,
    adaptive_max_pool_with_indices, avg_pool, lp_pool, max_pool, max_pool_with_indices,
};
use crate::Var;
use crate::ops::support::conv::lifted;
use crate::ops::support::conv::spec::sizes;
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};

/// The attribute `stride`: nothing and an empty list stand for the window's sides.
fn stride<const D: usize>(a: &Args) -> Result<Option<[usize; D]>> {
    if a.is_none("stride")? || a.sizes("stride")?.is_empty() {
        return Ok(None);
    }
    a.sizes_of("stride").map(Some)
}

fn max_config<const D: usize>(a: &Args) -> Result<MaxPoolConfig<D>> {
    Ok(MaxPoolConfig {
        stride: stride(a)?,
        padding: a.sizes_of("padding")?,
        dilation: a.sizes_of("dilation")?,
        ceil_mode: a.flag("ceil_mode")?,
    })
}

fn avg_config<const D: usize>(a: &Args) -> Result<AvgPoolConfig<D>> {
    Ok(AvgPoolConfig {
        stride: stride(a)?,
        padding: a.sizes_of("padding")?,
        ceil_mode: a.flag("ceil_mode")?,
        count_include_pad: a.flag("count_include_pad")?,
        divisor_override: if D == 1 {
            None
        } else {
            a.opt("divisor_override", Args::int)?
        },
    })
}

/// The outputs of a maximum with the places of the winners.
fn two((values, indices): (Var, gradus_tensor::Tensor)) -> Vec<Var> {
    vec![values, Var::constant(indices)]
}

fn with_windows(spec: OpSpec) -> OpSpec {
    spec.input("x", Kind::Float)
        .required("kernel_size", AttrType::Ints)
        .attr("stride", AttrType::Ints, crate::registry::Attr::None)
}

/// Name and call of a maximum over `D` sides; with the winners' places if it has `many` outputs.
pub(crate) fn max_spec<const D: usize>(name: &'static str, many: bool) -> OpSpec {
    let spec = if many {
        OpSpec::new(name, |a| {
            let (x, kernel) = (a.var("x")?, a.sizes_of::<D>("kernel_size")?);
            let op = a.op();
            Ok(two(max_pool_with_indices(op, x, kernel, &max_config(a)?)?))
        })
        .many()
    } else {
        OpSpec::new(name, |a| {
            let (x, kernel) = (a.var("x")?, a.sizes_of::<D>("kernel_size")?);
            Ok(one(max_pool(a.op(), x, kernel, &max_config(a)?)?))
        })
    };
    let spec = with_windows(spec)
        .attr("padding", AttrType::Ints, 0)
        .attr("dilation", AttrType::Ints, 1)
        .attr("ceil_mode", AttrType::Bool, false)
        .kinked()
        .draw(|d| draw_windows::<D>(d, true));
    if many {
        spec.reference(|a| maximum(a, &Cells::of_windows::<D>(a)?, true))
    } else {
        spec.reference(|a| maximum(a, &Cells::of_windows::<D>(a)?, false))
    }
}

/// Name and call of an average over `D` sides.
pub(crate) fn avg_spec<const D: usize>(name: &'static str) -> OpSpec {
    let spec = OpSpec::new(name, |a| {
        let (x, kernel) = (a.var("x")?, a.sizes_of::<D>("kernel_size")?);
        Ok(one(avg_pool(a.op(), x, kernel, &avg_config(a)?)?))
    });
    let spec = with_windows(spec)
        .attr("padding", AttrType::Ints, 0)
        .attr("ceil_mode", AttrType::Bool, false)
        .attr("count_include_pad", AttrType::Bool, true)
        .reference(|a| {
            let config = avg_config::<D>(a)?;
            let cells = Cells::of_windows::<D>(a)?;
            average(a, &cells, |inside, covered| match config.divisor_override {
                Some(divisor) => divisor as f64,
                None if config.count_include_pad => covered as f64,
                None => inside as f64,
            })
        })
        .draw(|d| draw_windows::<D>(d, false));
    if D == 1 {
        spec
    } else {
        spec.attr(
            "divisor_override",
            AttrType::Int,
            crate::registry::Attr::None,
        )
    }
}

fn with_output_size(spec: OpSpec) -> OpSpec {
    spec.input("x", Kind::Float)
        .required("output_size", AttrType::Ints)
}

/// Name and call of an adaptive average over `D` sides.
pub(crate) fn adaptive_avg_spec<const D: usize>(name: &'static str) -> OpSpec {
    with_output_size(OpSpec::new(name, |a| {
        let size = a.sizes_of::<D>("output_size")?;
        Ok(one(adaptive_avg_pool(a.op(), a.var("x")?, size)?))
    }))
    .reference(|a| average(a, &Cells::of_parts::<D>(a)?, |inside, _| inside as f64))
    .draw(draw_parts::<D>)
}

/// Name and call of an adaptive maximum over `D` sides; with the winners' places if it has `many` outputs.
pub(crate) fn adaptive_max_spec<const D: usize>(name: &'static str, many: bool) -> OpSpec {
    let spec = if many {
        OpSpec::new(name, |a| {
            let size = a.sizes_of::<D>("output_size")?;
            let found = adaptive_max_pool_with_indices(a.op(), a.var("x")?, size)?;
            Ok(two(found))
        })
        .many()
        .reference(|a| maximum(a, &Cells::of_parts::<D>(a)?, true))
    } else {
        OpSpec::new(name, |a| {
            let size = a.sizes_of::<D>("output_size")?;
            Ok(one(adaptive_max_pool(a.op(), a.var("x")?, size)?))
        })
        .reference(|a| maximum(a, &Cells::of_parts::<D>(a)?, false))
    };
    with_output_size(spec).kinked().draw(draw_parts::<D>)
}

/// Name and call of a power mean over `D` sides.
pub(crate) fn lp_spec<const D: usize>(name: &'static str) -> OpSpec {
    OpSpec::new(name, |a| {
        let (x, kernel) = (a.var("x")?, a.sizes_of::<D>("kernel_size")?);
        let (p, ceil) = (a.float("norm_type")?, a.flag("ceil_mode")?);
        Ok(one(lp_pool(a.op(), x, p, kernel, stride(a)?, ceil)?))
    })
    .input("x", Kind::Float)
    .required("norm_type", AttrType::Float)
    .required("kernel_size", AttrType::Ints)
    .attr("stride", AttrType::Ints, crate::registry::Attr::None)
    .attr("ceil_mode", AttrType::Bool, false)
    .kinked()
    .reference(|a| {
        let (p, x) = (a.float("norm_type")?, a.dense("x")?);
        let kernel = a.sizes_of::<D>("kernel_size")?;
        let all: f64 = kernel.iter().map(|&side| side as f64).product();
        let cells = Cells::of_windows::<D>(a)?;
        let y = Dense::from_fn(&cells.output(&x.dims), |at| {
            let [inside, covered] = cells.of(at);
            let sum: f64 = inside.iter().map(|i| x.at(i).powf(p)).sum();
            (sum / covered.len() as f64 * all).powf(1.0 / p)
        });
        Ok(vec![y])
    })
    .draw(|d| {
        let (dims, kernel, stride) = draw_kernel::<D>(d);
        let args = Args::new()
            .attr("norm_type", d.pick(&[1.0, 2.0, 3.0, 1.5]))
            .attr("kernel_size", sizes(d, &kernel))
            .attr("ceil_mode", d.flag());
        let args = if d.flag() {
            args.attr("stride", sizes(d, &stride))
        } else {
            args
        };
        Ok(args.with("x", d.floats(&dims, crate::registry::Values::POSITIVE)?))
    })
}

/// For each of the last dims, for each window, the cells in the padded side and what of them lies in the input.
struct Cells {
    axes: Vec<Vec<[Vec<usize>; 2]>>,
}

impl Cells {
    fn of_windows<const D: usize>(a: &Args) -> Result<Self> {
        let x = a.dense("x")?;
        let kernel = a.sizes_of::<D>("kernel_size")?;
        let step = stride::<D>(a)?.unwrap_or(kernel);
        let get = |name: &str, rest: usize| {
            if a.attrs().any(|(known, _)| known == name) {
                a.sizes_of::<D>(name)
            } else {
                Ok([rest; D])
            }
        };
        let (padding, dilation) = (get("padding", 0)?, get("dilation", 1)?);
        let axis = |d: usize| {
            let (n, pad) = (x.dims[x.rank() - D + d], padding[d]);
            let reach = (kernel[d] - 1) * dilation[d] + 1;
            let room = (n + 2 * pad - reach) as f64 / step[d] as f64;
            let mut count = room.floor() as usize + 1;
            if a.flag("ceil_mode")? {
                count = room.ceil() as usize + 1;
                if (count - 1) * step[d] >= n + pad {
                    count -= 1;
                }
            }
            let window = |o: usize| {
                let cells = (0..kernel[d]).map(|tap| o * step[d] + tap * dilation[d]);
                let covered: Vec<usize> = cells.filter(|at| *at < n + 2 * pad).collect();
                let inside = covered.iter().filter(|at| (pad..pad + n).contains(*at));
                [inside.map(|at| at - pad).collect(), covered.clone()]
            };
            Ok((0..count).map(window).collect())
        };
        let axes = (0..D).map(axis).collect::<Result<_>>()?;
        Ok(Self { axes })
    }

    fn of_parts<const D: usize>(a: &Args) -> Result<Self> {
        let x = a.dense("x")?;
        let parts = a.sizes_of::<D>("output_size")?;
        let axis = |d: usize| {
            let n = x.dims[x.rank() - D + d] as f64;
            let part = |o: usize| {
                let cut = |o: usize| o as f64 * n / parts[d] as f64;
                let cells: Vec<usize> =
                    (cut(o).floor() as usize..cut(o + 1).ceil() as usize).collect();
                [cells.clone(), cells]
            };
            (0..parts[d]).map(part).collect()
        };
        Ok(Self {
            axes: (0..D).map(axis).collect(),
        })
    }

    /// The dims of the result.
    fn output(&self, x: &[usize]) -> Vec<usize> {
        let mut dims = x[..x.len() - self.axes.len()].to_vec();
        dims.extend(self.axes.iter().map(Vec::len));
        dims
    }

    /// The indices inside the input and those in its padding, too (these only count), of the window at this index.
    fn of(&self, at: &[usize]) -> [Vec<Vec<usize>>; 2] {
        let first = at.len() - self.axes.len();
        [0, 1].map(|which| {
            let mut found = vec![at[..first].to_vec()];
            for (axis, &o) in self.axes.iter().zip(&at[first..]) {
                let longer = |index: &Vec<usize>| {
                    let cells = axis[o][which].iter();
                    let all = cells.map(|&cell| [&index[..], &[cell]].concat());
                    all.collect::<Vec<_>>()
                };
                found = found.iter().flat_map(longer).collect();
            }
            found
        })
    }
}

fn maximum(a: &Args, cells: &Cells, indices: bool) -> Result<Vec<Dense>> {
    let x = a.dense("x")?;
    let first = x.rank() - cells.axes.len();
    let sides = Dense::zeros(&x.dims[first..]);
    let mut places = Vec::new();
    let y = Dense::from_fn(&cells.output(&x.dims), |at| {
        let [inside, _] = cells.of(at);
        let mut best = (f64::NEG_INFINITY, -1.0);
        for index in inside {
            if x.at(&index) > best.0 {
                best = (x.at(&index), sides.position(&index[first..]) as f64);
            }
        }
        places.push(best.1);
        best.0
    });
    if !indices {
        return Ok(vec![y]);
    }
    let places = Dense {
        dims: y.dims.clone(),
        data: places,
    };
    Ok(vec![y, places])
}

/// `divisor` gets the numbers of cells inside the input and with its padding.
fn average(a: &Args, cells: &Cells, divisor: impl Fn(usize, usize) -> f64) -> Result<Vec<Dense>> {
    let x = a.dense("x")?;
    let y = Dense::from_fn(&cells.output(&x.dims), |at| {
        let [inside, covered] = cells.of(at);
        let sum: f64 = inside.iter().map(|index| x.at(index)).sum();
        sum / divisor(inside.len(), covered.len())
    });
    Ok(vec![y])
}

/// The dims of x, with or without a batch.
fn draw_input<const D: usize>(d: &mut Draw) -> Vec<usize> {
    let rank = D + 1 + usize::from(d.flag());
    d.shape(rank..=rank, 1..=[5, 4, 3][D - 1])
}

/// The dims of x, and sides and steps of windows that fit without padding.
fn draw_kernel<const D: usize>(d: &mut Draw) -> (Vec<usize>, [usize; D], [usize; D]) {
    let dims = draw_input::<D>(d);
    let sides = dims[dims.len() - D..].to_vec();
    let kernel = std::array::from_fn(|i| d.range(1..=3).min(sides[i]).max(1));
    let step = std::array::from_fn(|_| d.range(1..=3));
    (dims, kernel, step)
}

fn draw_windows<const D: usize>(d: &mut Draw, maximum: bool) -> Result<Args> {
    let (dims, kernel, step) = draw_kernel::<D>(d);
    let sides = lifted(&dims[dims.len() - D..], 1);
    let padding: [usize; D] = std::array::from_fn(|i| d.range(0..=kernel[i] / 2));
    let mut args = Args::new()
        .attr("kernel_size", sizes(d, &kernel))
        .attr("padding", sizes(d, &padding))
        .attr("ceil_mode", d.flag());
    if d.flag() {
        args = args.attr("stride", sizes(d, &step));
    }
    if maximum {
        let dilation: [usize; D] = std::array::from_fn(|i| {
            let dilation = d.range(1..=2);
            let reach = (kernel[i] - 1) * dilation + 1;
            let fits = reach <= sides[3 - D + i] + 2 * padding[i];
            if fits { dilation } else { 1 }
        });
        args = args.attr("dilation", sizes(d, &dilation));
        return Ok(args.with("x", d.distinct(&dims)?));
    }
    args = args.attr("count_include_pad", d.flag());
    if D > 1 && d.below(4) == 3 {
        args = args.attr("divisor_override", d.int(1..=5));
    }
    Ok(args.with("x", d.reals(&dims)?))
}

fn draw_parts<const D: usize>(d: &mut Draw) -> Result<Args> {
    let dims = draw_input::<D>(d);
    let parts: [usize; D] = std::array::from_fn(|_| d.range(1..=4));
    Ok(Args::new()
        .attr("output_size", sizes(d, &parts))
        .with("x", d.distinct(&dims)?))
}
