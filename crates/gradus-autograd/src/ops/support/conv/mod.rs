//! What convolutions of all ranks share: options, sizes and their checks. Letters: N batch, C channels in, O channels out.

mod op;
pub(crate) mod spec;
mod transposed;

use gradus_linalg::conv::Conv3d;
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::{require, same_dtype};
use crate::{Var, apply};

pub(crate) use op::{Conv, GradInput};
pub use transposed::ConvTransposeConfig;
pub(crate) use transposed::convolve_transposed;

/// What is added around the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvPadding<const D: usize> {
    /// This many zeros on both ends of each side; none is PyTorch's `"valid"`.
    Sides([usize; D]),
    /// As many zeros as keep the sides at stride 1, an odd one behind; PyTorch's `"same"`.
    Same,
}

impl<const D: usize> From<[usize; D]> for ConvPadding<D> {
    fn from(sides: [usize; D]) -> Self {
        Self::Sides(sides)
    }
}

/// How the kernel moves over an input of `D` sides. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvConfig<const D: usize> {
    /// Steps of the kernel. Default 1.
    pub stride: [usize; D],
    /// Zeros added around. Default none.
    pub padding: ConvPadding<D>,
    /// Distance between the kernel's elements. Default 1.
    pub dilation: [usize; D],
    /// Independent parts that the channels are cut into. Default 1.
    pub groups: usize,
}

impl<const D: usize> Default for ConvConfig<D> {
    fn default() -> Self {
        Self {
            stride: [1; D],
            padding: ConvPadding::Sides([0; D]),
            dilation: [1; D],
            groups: 1,
        }
    }
}

/// The options of [`Var::conv1d`].
pub type Conv1dConfig = ConvConfig<1>;
/// The options of [`Var::conv2d`].
pub type Conv2dConfig = ConvConfig<2>;
/// The options of [`Var::conv3d`].
pub type Conv3dConfig = ConvConfig<3>;

/// A convolution over the last `sides` of three sides; the others are 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) sides: usize,
    /// Whether it is the gradient that the user called: the forward of a transposed convolution.
    pub(crate) transposed: bool,
    pub(crate) conv: Conv3d,
}

/// The last of three sides are these, the others `rest`.
pub(crate) fn lifted<T: Copy>(sides: &[T], rest: T) -> [T; 3] {
    let mut all = [rest; 3];
    all[3 - sides.len()..].copy_from_slice(sides);
    all
}

/// Refuses steps and distances of 0.
pub(crate) fn require_positive(
    op: &'static str,
    name: &'static str,
    values: &[usize],
) -> Result<()> {
    values
        .iter()
        .try_for_each(|&value| require(value > 0, op, name, "at least 1", value as f64))
}

/// Refuses a number of groups that does not cut both numbers of channels.
fn require_groups(op: &'static str, groups: usize, channels: [usize; 2]) -> Result<()> {
    let divides = groups > 0 && channels.iter().all(|c| c.is_multiple_of(groups));
    let expected = "a divisor of both numbers of channels";
    require(divides, op, "groups", expected, groups as f64)
}

/// Refuses a bias that is not `(O,)`.
fn require_bias(op: &'static str, weight: &Var, bias: Option<&Var>, c_out: usize) -> Result<()> {
    let Some(bias) = bias else { return Ok(()) };
    same_dtype(op, weight.tensor(), bias.tensor())?;
    if *bias.shape() == [c_out] {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        lhs: *weight.shape(),
        rhs: *bias.shape(),
        rule: "the bias has one element for each channel out",
    })
}

impl Geometry {
    /// `(N, C, …)`
    pub(crate) fn input_shape(&self) -> Result<Shape> {
        self.shape([self.conv.batch, self.conv.c_in], self.conv.input)
    }

    /// `(O, C / groups, …)`
    pub(crate) fn weight_shape(&self) -> Result<Shape> {
        let per_group = self.conv.c_in / self.conv.groups;
        self.shape([self.conv.c_out, per_group], self.conv.kernel)
    }

    /// `(N, O, …)`
    pub(crate) fn output_shape(&self, op: &'static str) -> Result<Shape> {
        let what = "output size";
        let sides = self.conv.output().ok_or(Error::Overflow { op, what })?;
        self.shape([self.conv.batch, self.conv.c_out], sides)
    }

    /// The floating-point operations of the convolution, and of each of its gradients, with an output of this shape.
    fn flops(&self, output: &[Shape]) -> u64 {
        let per_group = self.conv.c_in / self.conv.groups.max(1);
        let inner = per_group * self.conv.kernel.iter().product::<usize>();
        2 * (output[0].numel() * inner) as u64
    }

    fn shape(&self, first: [usize; 2], sides: [usize; 3]) -> Result<Shape> {
        Shape::new(&[&first[..], &sides[3 - self.sides..]].concat())
    }
}

impl<const D: usize> ConvConfig<D> {
    /// Zeros before and after each side.
    fn zeros(&self, op: &'static str, kernel: &[usize]) -> Result<[[usize; 2]; 3]> {
        let sides = match self.padding {
            ConvPadding::Sides(sides) => sides.map(|p| [p, p]),
            ConvPadding::Same => {
                let one = self.stride == [1; D];
                let steps = self.stride.iter().max().map_or(1.0, |&s| s as f64);
                require(one, op, "stride", "1 with padding `same`", steps)?;
                let mut sides = [[0; 2]; D];
                for d in 0..D {
                    let what = "reach of the kernel";
                    let all = (kernel[d] - 1).checked_mul(self.dilation[d]);
                    let all = all.ok_or(Error::Overflow { op, what })?;
                    sides[d] = [all / 2, all - all / 2];
                }
                sides
            }
        };
        Ok(lifted(&sides, [0, 0]))
    }

    /// The sizes of a convolution, if it is one.
    fn geometry(&self, op: &'static str, x: &Shape, weight: &Shape) -> Result<Geometry> {
        let ([batch, c_in, input @ ..], [c_out, per_group, kernel @ ..]) =
            (x.dims(), weight.dims())
        else {
            return Err(rank_error(op, D, x));
        };
        if input.len() != D || kernel.len() != D {
            return Err(rank_error(op, D, if input.len() == D { weight } else { x }));
        }
        require_positive(op, "stride", &self.stride)?;
        require_positive(op, "dilation", &self.dilation)?;
        require_positive(op, "kernel size", kernel)?;
        require_groups(op, self.groups, [*c_in, *c_out])?;
        let mismatch = |rule| Error::ShapeMismatch {
            op,
            lhs: *x,
            rhs: *weight,
            rule,
        };
        if c_in / self.groups != *per_group {
            return Err(mismatch("the weight is (out, in / groups, kernel sides …)"));
        }
        let conv = Conv3d {
            batch: *batch,
            c_in: *c_in,
            c_out: *c_out,
            groups: self.groups,
            input: lifted(input, 1),
            kernel: lifted(kernel, 1),
            stride: lifted(&self.stride, 1),
            padding: self.zeros(op, kernel)?,
            dilation: lifted(&self.dilation, 1),
        };
        if conv.output().is_none() {
            return Err(mismatch(
                "the kernel, with its dilation, must fit into the padded input",
            ));
        }
        Ok(Geometry {
            sides: D,
            transposed: false,
            conv,
        })
    }
}

fn rank_error(op: &'static str, sides: usize, got: &Shape) -> Error {
    Error::Rank {
        op,
        expected: sides + 2,
        got: *got,
    }
}

/// Convolution over `D` sides: see [`Var::conv2d`].
pub(crate) fn convolve<const D: usize>(
    op: &'static str,
    x: &Var,
    weight: &Var,
    bias: Option<&Var>,
    config: &ConvConfig<D>,
) -> Result<Var> {
    if x.rank() == D + 1 {
        return convolve(op, &x.unsqueeze(0)?, weight, bias, config)?.squeeze(0);
    }
    let geometry = config.geometry(op, x.shape(), weight.shape())?;
    same_dtype(op, x.tensor(), weight.tensor())?;
    require_bias(op, weight, bias, geometry.conv.c_out)?;
    match bias {
        Some(bias) => apply(Conv(geometry), &[x, weight, bias]),
        None => apply(Conv(geometry), &[x, weight]),
    }
}

/// Whether there are kernels for so many sides.
pub(crate) const fn one_to_three(sides: usize) -> bool {
    sides >= 1 && sides <= 3
}

impl Var {
    /// [`Var::conv1d`], [`Var::conv2d`] or [`Var::conv3d`], for code over any number of sides `D` from 1 to 3.
    ///
    /// # Errors
    /// As [`Var::conv2d`].
    pub fn conv_nd<const D: usize>(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &ConvConfig<D>,
    ) -> Result<Self> {
        const { assert!(one_to_three(D), "convolutions have 1 to 3 sides") }
        let op = ["conv1d", "conv2d", "conv3d"][D - 1];
        convolve(op, self, weight, bias, config)
    }

    /// [`Var::conv_transpose1d`], [`Var::conv_transpose2d`] or [`Var::conv_transpose3d`], for code over any number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::conv_transpose2d`].
    pub fn conv_transpose_nd<const D: usize>(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &ConvTransposeConfig<D>,
    ) -> Result<Self> {
        const { assert!(one_to_three(D), "convolutions have 1 to 3 sides") }
        let op = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"][D - 1];
        convolve_transposed(op, self, weight, bias, config)
    }
}

/// A tensor of `(N, C, L)` as `(N, C, 1, L)`; others as they are.
fn as_images(x: &Tensor, sides: usize) -> Result<Tensor> {
    if sides == 1 {
        x.unsqueeze(2)
    } else {
        Ok(x.clone())
    }
}
