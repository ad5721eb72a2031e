//! Values put back to where maxima stood.

use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use super::sides;
use crate::Var;
use crate::ops::support::conv::spec::sizes;
use crate::ops::support::conv::{lifted, require_positive};
use crate::ops::support::{require, require_dtype, same_shape};
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};

/// How the windows lay that the maxima were of. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxUnpoolConfig<const D: usize> {
    /// Steps of the window. Default: the window's sides.
    pub stride: Option<[usize; D]>,
    /// What was added on both ends of each side. Default 0.
    pub padding: Option<[usize; D]>,
    /// Sides of the result, less than a stride from `(L - 1) stride - 2 padding + kernel`, which is the default.
    pub output_size: Option<[usize; D]>,
}

impl<const D: usize> Default for MaxUnpoolConfig<D> {
    fn default() -> Self {
        Self {
            stride: None,
            padding: None,
            output_size: None,
        }
    }
}

/// The sides of the result.
fn output<const D: usize>(
    op: &'static str,
    input: [usize; 3],
    kernel_size: [usize; D],
    config: &MaxUnpoolConfig<D>,
) -> Result<[usize; 3]> {
    let stride = config.stride.unwrap_or(kernel_size);
    let padding = config.padding.unwrap_or([0; D]);
    require_positive(op, "kernel size", &kernel_size)?;
    require_positive(op, "stride", &stride)?;
    let mut output = [1; D];
    for d in 0..D {
        let whole = || {
            let reach = (input[3 - D + d] - 1).checked_mul(stride[d])?;
            let reach = reach.checked_add(kernel_size[d])?;
            Some((reach, padding[d].checked_mul(2)?))
        };
        let what = "output size";
        let (reach, cut) = whole().ok_or(Error::Overflow { op, what })?;
        let expected = "so small that something of the output is left";
        require(cut < reach, op, "padding", expected, padding[d] as f64)?;
        let default = reach - cut;
        output[d] = config.output_size.map_or(default, |sides| sides[d]);
        let near = output[d].abs_diff(default) < stride[d] && output[d] > 0;
        let expected = "less than a stride from the default";
        require(near, op, "output_size", expected, output[d] as f64)?;
    }
    Ok(lifted(&output, 1))
}

/// See [`Var::max_unpool2d`].
pub(crate) fn max_unpool<const D: usize>(
    op: &'static str,
    x: &Var,
    indices: &Tensor,
    kernel_size: [usize; D],
    config: &MaxUnpoolConfig<D>,
) -> Result<Var> {
    let input = sides::<D>(op, x.shape())?;
    require_dtype(op, indices, &[DType::I64])?;
    require_dtype(op, x.tensor(), crate::ops::support::FLOATS)?;
    same_shape(op, x.tensor(), indices)?;
    let output = output(op, input, kernel_size, config)?;
    let first = x.rank() - D;
    let shape = Shape::new(&[&x.dims()[..first], &output[3 - D..]].concat())?;
    let planes: usize = x.dims()[..first].iter().product();
    let (before, after): (usize, usize) = (input.iter().product(), output.iter().product());
    let zeros = Var::constant(Tensor::zeros([planes, after], x.dtype())?);
    let places = indices.reshape([planes, before])?;
    zeros
        .scatter(1, &places, &x.reshape([planes, before])?)?
        .reshape(shape)
}

fn call<const D: usize>(a: &Args) -> Result<Vec<Var>> {
    let x = a.var("x")?;
    let optional = |name: &str| -> Result<Option<[usize; D]>> {
        if a.is_none(name)? || a.sizes(name)?.is_empty() {
            return Ok(None);
        }
        let all = a.sizes(name)?;
        if all.len() == x.rank() && all.len() > D {
            // The whole shape, as PyTorch takes it, too.
            return Ok(all[all.len() - D..].try_into().ok());
        }
        a.sizes_of(name).map(Some)
    };
    let config = MaxUnpoolConfig {
        stride: optional("stride")?,
        padding: optional("padding")?,
        output_size: optional("output_size")?,
    };
    let kernel = a.sizes_of::<D>("kernel_size")?;
    Ok(one(max_unpool(
        a.op(),
        x,
        a.tensor("indices")?,
        kernel,
        &config,
    )?))
}

/// The registration over `D` sides.
pub(crate) fn unpool_spec<const D: usize>(name: &'static str) -> OpSpec {
    OpSpec::new(name, call::<D>)
        .input("x", Kind::Float)
        .input("indices", Kind::Index)
        .required("kernel_size", AttrType::Ints)
        .attr("stride", AttrType::Ints, Attr::None)
        .attr("padding", AttrType::Ints, 0)
        .attr("output_size", AttrType::Ints, Attr::None)
        .reference(|a| {
            let (x, places) = (a.dense("x")?, a.dense("indices")?);
            let kernel = a.sizes_of::<D>("kernel_size")?;
            let step = a.opt("stride", Args::sizes_of::<D>)?.unwrap_or(kernel);
            let (pad, wanted) = (
                a.sizes_of::<D>("padding")?,
                a.opt("output_size", Args::sizes_of::<D>)?,
            );
            let mut dims = x.dims.clone();
            let first = dims.len() - D;
            for d in 0..D {
                let default = (dims[first + d] - 1) * step[d] + kernel[d] - 2 * pad[d];
                dims[first + d] = wanted.map_or(default, |all| all[d]);
            }
            let plane: usize = dims[first..].iter().product();
            let own: usize = x.dims[first..].iter().product();
            let mut y = Dense::zeros(&dims);
            for (i, (v, place)) in x.data.iter().zip(&places.data).enumerate() {
                y.data[i / own * plane + *place as usize] = *v;
            }
            Ok(vec![y])
        })
        .draw(draw::<D>)
}

/// Every element has a place of its own.
fn draw<const D: usize>(d: &mut Draw) -> Result<Args> {
    let rank = D + 1 + usize::from(d.flag());
    let dims = d.shape(rank..=rank, 1..=3);
    let first = rank - D;
    let kernel: [usize; D] = std::array::from_fn(|_| d.range(2..=3));
    let padding: [usize; D] =
        std::array::from_fn(|i| if dims[first + i] > 1 { d.below(2) } else { 0 });
    let extra = d.flag();
    let output: [usize; D] = std::array::from_fn(|i| {
        let all = dims[first + i].max(1) * kernel[i] - 2 * padding[i];
        all + usize::from(extra)
    });
    let own: usize = dims[first..].iter().product();
    let planes: usize = dims[..first].iter().product();
    let plane: usize = output.iter().product();
    let mut places = Vec::with_capacity(planes * own);
    for _ in 0..planes {
        // Steps through the plane that meet no place twice.
        let start = d.below(plane);
        places.extend((0..own).map(|i| ((start + i) % plane) as i64));
    }
    if own > plane {
        places.fill(0);
    }
    let mut args = Args::new()
        .attr("kernel_size", sizes(d, &kernel))
        .attr("padding", sizes(d, &padding));
    if extra {
        args = args.attr("output_size", &output[..]);
    }
    Ok(args
        .with("indices", Tensor::from_slice(&places, &dims[..])?)
        .with("x", d.reals(&dims)?))
}
