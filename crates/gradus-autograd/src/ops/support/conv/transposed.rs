//! Transposed convolution: the gradient of a convolution with respect to its input, as an op of its own.

use gradus_linalg::conv::Conv3d;
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::{
    Geometry, GradInput, lifted, rank_error, require_bias, require_groups, require_positive,
};
use crate::ops::support::{require, same_dtype};
use crate::{Var, apply};

/// How the kernel moves over an output of `D` sides. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeConfig<const D: usize> {
    /// Steps of the kernel over the output. Default 1.
    pub stride: [usize; D],
    /// Cut from both ends of each side of the output. Default 0.
    pub padding: [usize; D],
    /// Added to the far end of each side of the output; less than stride or dilation. Default 0.
    pub output_padding: [usize; D],
    /// Distance between the kernel's elements. Default 1.
    pub dilation: [usize; D],
    /// Independent parts that the channels are cut into. Default 1.
    pub groups: usize,
}

impl<const D: usize> Default for ConvTransposeConfig<D> {
    fn default() -> Self {
        Self {
            stride: [1; D],
            padding: [0; D],
            output_padding: [0; D],
            dilation: [1; D],
            groups: 1,
        }
    }
}

impl<const D: usize> ConvTransposeConfig<D> {
    /// The convolution whose gradient it is, and what no element of the input reaches: zeros to add at the end of each side.
    fn geometry(
        &self,
        op: &'static str,
        x: &Shape,
        weight: &Shape,
    ) -> Result<(Geometry, [usize; 3])> {
        let ([batch, c_in, input @ ..], [first, per_group, kernel @ ..]) =
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
        require_positive(op, "input side", input)?;
        require_groups(op, self.groups, [*c_in, *first])?;
        if c_in != first {
            return Err(Error::ShapeMismatch {
                op,
                lhs: *x,
                rhs: *weight,
                rule: "the weight is (in, out / groups, kernel sides …)",
            });
        }
        let (mut sides, mut padding, mut rest) = ([1; D], [[0; 2]; D], [0; D]);
        for d in 0..D {
            (sides[d], padding[d], rest[d]) = self.side(op, d, input[d], kernel[d])?;
        }
        let what = "number of channels";
        let c_out = per_group.checked_mul(self.groups);
        let conv = Conv3d {
            batch: *batch,
            c_in: c_out.ok_or(Error::Overflow { op, what })?,
            c_out: *c_in,
            groups: self.groups,
            input: lifted(&sides, 1),
            kernel: lifted(kernel, 1),
            stride: lifted(&self.stride, 1),
            padding: lifted(&padding, [0, 0]),
            dilation: lifted(&self.dilation, 1),
        };
        if conv.output() != Some(lifted(input, 1)) {
            let what = "output size";
            return Err(Error::Overflow { op, what });
        }
        let geometry = Geometry {
            sides: D,
            transposed: true,
            conv,
        };
        Ok((geometry, lifted(&rest, 0)))
    }

    /// One side of the output, the padding of the convolution over it, and the zeros beyond it.
    fn side(
        &self,
        op: &'static str,
        d: usize,
        input: usize,
        kernel: usize,
    ) -> Result<(usize, [usize; 2], usize)> {
        let (stride, dilation, extra) = (self.stride[d], self.dilation[d], self.output_padding[d]);
        let expected = "less than stride or dilation";
        require(
            extra < stride.max(dilation),
            op,
            "output_padding",
            expected,
            extra as f64,
        )?;
        let full = || {
            let reach = (kernel - 1).checked_mul(dilation)?.checked_add(1)?;
            (input - 1)
                .checked_mul(stride)?
                .checked_add(reach)?
                .checked_add(extra)
        };
        let what = "output size";
        let full = full().ok_or(Error::Overflow { op, what })?;
        let padding = self.padding[d];
        let cut = padding.checked_mul(2).and_then(|cut| full.checked_sub(cut));
        let expected = "so small that something of the output is left";
        require(
            cut.is_some_and(|side| side > 0),
            op,
            "padding",
            expected,
            padding as f64,
        )?;
        let side = cut.unwrap_or(0);
        // The convolution over the output must have just as many places as the input: what is more than its padding
        // comes off again behind.
        let [shift, rest] = if extra < stride {
            [0, 0]
        } else {
            [extra.min(padding), extra.saturating_sub(padding)]
        };
        if rest >= side {
            return Err(Error::Argument {
                op,
                name: "output_padding",
                expected: "less than the output",
                got: extra as f64,
            });
        }
        Ok((side - rest, [padding, padding - shift], rest))
    }
}

/// Transposed convolution over `D` sides: see [`Var::conv_transpose2d`].
pub(crate) fn convolve_transposed<const D: usize>(
    op: &'static str,
    x: &Var,
    weight: &Var,
    bias: Option<&Var>,
    config: &ConvTransposeConfig<D>,
) -> Result<Var> {
    if x.rank() == D + 1 {
        return convolve_transposed(op, &x.unsqueeze(0)?, weight, bias, config)?.squeeze(0);
    }
    let (geometry, rest) = config.geometry(op, x.shape(), weight.shape())?;
    same_dtype(op, x.tensor(), weight.tensor())?;
    let c_out = geometry.conv.c_in;
    require_bias(op, weight, bias, c_out)?;
    let mut y = apply(GradInput(geometry), &[x, weight])?;
    for d in 0..D {
        let zeros = rest[3 - D + d];
        if zeros > 0 {
            let mut dims = y.dims().to_vec();
            dims[2 + d] = zeros;
            let zeros = Var::constant(Tensor::zeros(dims, y.dtype())?);
            y = Var::cat(&[&y, &zeros], 2 + d as isize)?;
        }
    }
    let Some(bias) = bias else { return Ok(y) };
    let mut dims = [1; 5];
    dims[1] = c_out;
    y.add(&bias.reshape(&dims[..D + 2])?)
}
