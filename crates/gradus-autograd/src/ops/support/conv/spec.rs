//! Registration of the convolutions: cases, and references that follow the definition index by index.

use gradus_tensor::Result;

use super::{ConvConfig, ConvPadding, ConvTransposeConfig, convolve, convolve_transposed, lifted};
use crate::Var;
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};

fn options<const D: usize>(a: &Args) -> Result<ConvConfig<D>> {
    let padding = if a.is_text("padding")? {
        match a.choice("padding", &["valid", "same"])? {
            0 => ConvPadding::Sides([0; D]),
            _ => ConvPadding::Same,
        }
    } else {
        ConvPadding::Sides(a.sizes_of("padding")?)
    };
    Ok(ConvConfig {
        stride: a.sizes_of("stride")?,
        padding,
        dilation: a.sizes_of("dilation")?,
        groups: a.usize("groups")?,
    })
}

fn transposed_options<const D: usize>(a: &Args) -> Result<ConvTransposeConfig<D>> {
    Ok(ConvTransposeConfig {
        stride: a.sizes_of("stride")?,
        padding: a.sizes_of("padding")?,
        output_padding: a.sizes_of("output_padding")?,
        groups: a.usize("groups")?,
        dilation: a.sizes_of("dilation")?,
    })
}

fn name_of(transposed: bool, sides: usize) -> &'static str {
    let names = [
        ["conv1d", "conv2d", "conv3d"],
        ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"],
    ];
    names[usize::from(transposed)][sides - 1]
}

fn call<const D: usize>(a: &Args) -> Result<Vec<Var>> {
    let (x, weight, bias) = (a.var("x")?, a.var("weight")?, a.opt_var("bias"));
    Ok(one(convolve(
        name_of(false, D),
        x,
        weight,
        bias,
        &options::<D>(a)?,
    )?))
}

fn call_transposed<const D: usize>(a: &Args) -> Result<Vec<Var>> {
    let (x, weight, bias) = (a.var("x")?, a.var("weight")?, a.opt_var("bias"));
    let config = transposed_options::<D>(a)?;
    Ok(one(convolve_transposed(
        name_of(true, D),
        x,
        weight,
        bias,
        &config,
    )?))
}

fn inputs(spec: OpSpec) -> OpSpec {
    spec.input("x", Kind::Float)
        .input("weight", Kind::Float)
        .optional("bias", Kind::Float)
}

/// The registration of a convolution over `D` sides.
pub(crate) fn conv_spec<const D: usize>() -> OpSpec {
    inputs(OpSpec::new(name_of(false, D), call::<D>))
        .attr("stride", AttrType::Ints, 1)
        .attr("padding", AttrType::IntsOrText, 0)
        .attr("dilation", AttrType::Ints, 1)
        .attr("groups", AttrType::Int, 1)
        .reference(|a| {
            let config = options::<D>(a)?;
            let before = match config.padding {
                ConvPadding::Sides(sides) => lifted(&sides, 0),
                ConvPadding::Same => {
                    let weight = a.dense("weight")?;
                    let reach = |d: usize| (weight.dims[2 + d] - 1) * config.dilation[d];
                    lifted(&std::array::from_fn::<_, D, _>(|d| reach(d) / 2), 0)
                }
            };
            let after = match config.padding {
                ConvPadding::Sides(_) => before,
                ConvPadding::Same => {
                    let weight = a.dense("weight")?;
                    let reach = |d: usize| (weight.dims[2 + d] - 1) * config.dilation[d];
                    lifted(&std::array::from_fn::<_, D, _>(|d| reach(d).div_ceil(2)), 0)
                }
            };
            let walk = Walk {
                stride: lifted(&config.stride, 1),
                dilation: lifted(&config.dilation, 1),
                before,
            };
            Ok(vec![reference(a, &walk, after, D)?])
        })
        .draw(draw::<D>)
}

/// The registration of a transposed convolution over `D` sides.
pub(crate) fn transposed_spec<const D: usize>() -> OpSpec {
    inputs(OpSpec::new(name_of(true, D), call_transposed::<D>))
        .attr("stride", AttrType::Ints, 1)
        .attr("padding", AttrType::Ints, 0)
        .attr("output_padding", AttrType::Ints, 0)
        .attr("groups", AttrType::Int, 1)
        .attr("dilation", AttrType::Ints, 1)
        .reference(|a| {
            let config = transposed_options::<D>(a)?;
            let walk = Walk {
                stride: lifted(&config.stride, 1),
                dilation: lifted(&config.dilation, 1),
                before: lifted(&config.padding, 0),
            };
            let extra = lifted(&config.output_padding, 0);
            Ok(vec![transposed_reference(a, &walk, extra, D)?])
        })
        .draw(draw_transposed::<D>)
}

/// How taps and places meet.
struct Walk {
    stride: [usize; 3],
    dilation: [usize; 3],
    before: [usize; 3],
}

impl Walk {
    /// The place in the padded side, without the padding before it.
    fn place(&self, at: &[usize], tap: &[usize]) -> Option<[usize; 3]> {
        let mut place = [0; 3];
        for d in 0..3 {
            let there = at[d] * self.stride[d] + tap[d] * self.dilation[d];
            place[d] = there.checked_sub(self.before[d])?;
        }
        Some(place)
    }
}

/// x, weight and bias, with sides of 1 in front, and a batch; whether there was one.
fn operands(a: &Args, sides: usize) -> Result<(Dense, Dense, Option<Dense>, bool)> {
    let wide = |x: Dense| {
        let first = x.rank() - sides;
        let mut dims = [&vec![1; 2 - first][..], &x.dims[..first]].concat();
        dims.extend(lifted(&x.dims[first..], 1));
        x.reshape(&dims)
    };
    let (x, weight) = (a.dense("x")?, a.dense("weight")?);
    let batched = x.rank() == sides + 2;
    Ok((wide(x), wide(weight), a.opt_dense("bias")?, batched))
}

/// Sides of 1 gone again.
fn narrow(y: Dense, sides: usize, batched: bool) -> Dense {
    let mut dims = y.dims[if batched { 0 } else { 1 }..2].to_vec();
    dims.extend(&y.dims[5 - sides..]);
    y.reshape(&dims)
}

fn reference(a: &Args, walk: &Walk, after: [usize; 3], sides: usize) -> Result<Dense> {
    let (x, weight, bias, batched) = operands(a, sides)?;
    let groups = a.usize("groups")?;
    let mut dims = vec![x.dims[0], weight.dims[0]];
    for d in 0..3 {
        let reach = (weight.dims[2 + d] - 1) * walk.dilation[d] + 1;
        dims.push((x.dims[2 + d] + walk.before[d] + after[d] - reach) / walk.stride[d] + 1);
    }
    let per_group = weight.dims[1];
    let y = Dense::from_fn(&dims, |at| {
        let first = at[1] / (weight.dims[0] / groups) * per_group;
        let mut sum = bias.as_ref().map_or(0.0, |b| b.data[at[1]]);
        crate::registry::for_each_index(&weight.dims[1..], |tap| {
            if let Some([z, y, column]) = walk.place(&at[2..], &tap[1..])
                && z < x.dims[2]
                && y < x.dims[3]
                && column < x.dims[4]
            {
                sum += x.at(&[at[0], first + tap[0], z, y, column])
                    * weight.at(&[at[1], tap[0], tap[1], tap[2], tap[3]]);
            }
        });
        sum
    });
    Ok(narrow(y, sides, batched))
}

/// Every element of x adds the kernel to the output, times itself.
fn transposed_reference(a: &Args, walk: &Walk, extra: [usize; 3], sides: usize) -> Result<Dense> {
    let (x, weight, bias, batched) = operands(a, sides)?;
    let groups = a.usize("groups")?;
    let mut dims = vec![x.dims[0], weight.dims[1] * groups];
    for d in 0..3 {
        let reach = (weight.dims[2 + d] - 1) * walk.dilation[d] + 1;
        let full = (x.dims[2 + d] - 1) * walk.stride[d] + reach + extra[d];
        dims.push(full - 2 * walk.before[d]);
    }
    let mut y = Dense::from_fn(&dims, |at| bias.as_ref().map_or(0.0, |b| b.data[at[1]]));
    crate::registry::for_each_index(&x.dims, |at| {
        let first = at[1] / (x.dims[1] / groups) * weight.dims[1];
        crate::registry::for_each_index(&weight.dims[1..], |tap| {
            if let Some([z, row, column]) = walk.place(&at[2..], &tap[1..])
                && z < dims[2]
                && row < dims[3]
                && column < dims[4]
            {
                *y.at_mut(&[at[0], first + tap[0], z, row, column]) +=
                    x.at(at) * weight.at(&[at[1], tap[0], tap[1], tap[2], tap[3]]);
            }
        });
    });
    Ok(narrow(y, sides, batched))
}

/// One number where all are the same, now and then.
pub(crate) fn sizes(d: &mut Draw, all: &[usize]) -> Attr {
    if all.iter().all(|v| *v == all[0]) && d.flag() {
        return Attr::from(all[0]);
    }
    Attr::from(all)
}

/// The dims of x, with or without a batch; and groups that cut its channels.
fn draw_input<const D: usize>(d: &mut Draw) -> (Vec<usize>, usize) {
    let rank = D + 2 - usize::from(d.below(4) == 3);
    let dims = d.shape(rank..=rank, if D == 3 { 1..=3 } else { 1..=4 });
    let channels = dims[rank - D - 1];
    let dividing: Vec<usize> = (1..=channels.min(3))
        .filter(|&g| channels.is_multiple_of(g))
        .collect();
    let groups = if dividing.is_empty() {
        1
    } else {
        d.pick(&dividing)
    };
    (dims, groups)
}

fn draw<const D: usize>(d: &mut Draw) -> Result<Args> {
    let (dims, groups) = draw_input::<D>(d);
    let (channels, sides) = (dims[dims.len() - D - 1], &dims[dims.len() - D..]);
    let (mut kernel, mut dilation, mut stride, mut padding) = ([1; D], [1; D], [1; D], [0; D]);
    for i in 0..D {
        dilation[i] = d.range(1..=2);
        padding[i] = d.range(0..=2);
        stride[i] = d.range(1..=3);
        kernel[i] = d.range(1..=3);
        while kernel[i] > 1 && (kernel[i] - 1) * dilation[i] >= sides[i] + 2 * padding[i] {
            kernel[i] -= 1;
        }
    }
    let mut word = None;
    match d.below(6) {
        4 => {
            kernel = kernel.map(|_| d.range(1..=3));
            (stride, word) = ([1; D], Some("same"));
        }
        5 => {
            kernel = std::array::from_fn(|i| kernel[i].min(sides[i]).max(1));
            (dilation, word) = ([1; D], Some("valid"));
        }
        _ => {}
    }
    let c_out = groups * d.range(1..=2);
    let weight = [&[c_out, channels / groups], &kernel[..]].concat();
    let mut args = Args::new()
        .with("x", d.reals(&dims)?)
        .with("weight", d.reals(&weight)?)
        .attr("stride", sizes(d, &stride))
        .attr("dilation", sizes(d, &dilation))
        .attr("groups", groups);
    args = match word {
        Some(word) => args.attr("padding", word),
        None => args.attr("padding", sizes(d, &padding)),
    };
    if d.flag() {
        args = args.with("bias", d.reals(&[c_out])?);
    }
    Ok(args)
}

fn draw_transposed<const D: usize>(d: &mut Draw) -> Result<Args> {
    let (dims, groups) = draw_input::<D>(d);
    let (channels, sides) = (dims[dims.len() - D - 1], &dims[dims.len() - D..]);
    let (mut kernel, mut dilation, mut stride) = ([1; D], [1; D], [1; D]);
    let (mut padding, mut extra) = ([0; D], [0; D]);
    for i in 0..D {
        dilation[i] = d.range(1..=3);
        stride[i] = d.range(1..=3);
        kernel[i] = d.range(1..=3);
        extra[i] = d.below(stride[i].max(dilation[i]));
        let full = sides[i].saturating_sub(1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1;
        // Something that an element of x reaches must be left.
        padding[i] = d.below(full.div_ceil(2).min(3));
    }
    let per_group = d.range(1..=2);
    let weight = [&[channels, per_group], &kernel[..]].concat();
    let mut args = Args::new()
        .with("x", d.reals(&dims)?)
        .with("weight", d.reals(&weight)?)
        .attr("stride", sizes(d, &stride))
        .attr("padding", sizes(d, &padding))
        .attr("output_padding", sizes(d, &extra))
        .attr("dilation", sizes(d, &dilation))
        .attr("groups", groups);
    if d.flag() {
        args = args.with("bias", d.reals(&[per_group * groups])?);
    }
    Ok(args)
}
