//! What ops that move elements share: parts of tensors as views, their adjoints, and dims as they are written.

use gradus_linalg::movement;
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::with_float;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The axis of a dim; a scalar has one, as in PyTorch.
pub(crate) fn axis(op: &'static str, shape: &Shape, dim: isize) -> Result<usize> {
    if shape.rank() == 0 && (dim == 0 || dim == -1) {
        return Ok(0);
    }
    shape.axis(op, dim)
}

/// The axes of different dims, in the order given; a scalar has one.
pub(crate) fn axes(op: &'static str, shape: &Shape, dims: &[isize]) -> Result<Vec<usize>> {
    let mut found = Vec::with_capacity(dims.len().min(shape.rank() + 1));
    for &dim in dims {
        let axis = axis(op, shape, dim)?;
        if found.contains(&axis) {
            let rank = shape.rank();
            return Err(Error::Axis { op, dim, rank });
        }
        found.push(axis);
    }
    Ok(found)
}

/// The shape of `numel` elements that `dims` names: one of them may be -1, which is inferred.
pub(crate) fn inferred(op: &'static str, numel: usize, dims: &[isize]) -> Result<Shape> {
    let wrong = |expected, got: f64| Error::Argument {
        op,
        name: "shape",
        expected,
        got,
    };
    let mut known = Vec::with_capacity(dims.len());
    let mut open = None;
    for (at, &dim) in dims.iter().enumerate() {
        match usize::try_from(dim) {
            Ok(dim) => known.push(dim),
            Err(_) if dim == -1 && open.is_none() => {
                open = Some(at);
                known.push(1);
            }
            Err(_) => return Err(wrong("sizes, of which one may be -1", dim as f64)),
        }
    }
    if let Some(at) = open {
        let others = Shape::new(&known)?.numel();
        if others == 0 || !numel.is_multiple_of(others) {
            let expected = "sizes that leave a whole number for -1; the number of elements is";
            return Err(wrong(expected, numel as f64));
        }
        known[at] = numel / others;
    }
    Shape::new(&known)
}

/// An index that may count from the end of a dim of `len`: `-1` is the last one.
pub(crate) fn wrapped(op: &'static str, axis: usize, index: i64, len: usize) -> Result<usize> {
    let from_end = if index < 0 {
        index.checked_add_unsigned(len as u64)
    } else {
        Some(index)
    };
    let found = from_end.and_then(|index| usize::try_from(index).ok());
    found
        .filter(|&index| index <= len)
        .ok_or(Error::IndexOutOfRange {
            op,
            position: axis,
            index,
            len,
        })
}

/// Windows along a dim: their number of elements, the steps between these, and the steps between windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) axis: usize,
    pub(crate) size: usize,
    pub(crate) dilation: usize,
    pub(crate) stride: usize,
}

/// A part of a tensor, seen through a view of it.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A diagonal of two dims, as a new last dim.
    Diagonal {
        offset: isize,
        dim1: isize,
        dim2: isize,
    },
    /// Windows; the elements of each become new last dims, in the order of the windows.
    Windows(Vec<Window>),
}

impl Part {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Diagonal { offset, dim1, dim2 } => x.diagonal(*offset, *dim1, *dim2),
            Self::Windows(windows) => {
                let mut x = x.clone();
                for w in windows {
                    x = window(&x, w)?;
                }
                Ok(x)
            }
        }
    }

    /// Whether an element may be seen more than once.
    fn overlaps(&self) -> bool {
        matches!(self, Self::Windows(_))
    }
}

/// The view of windows along one dim.
fn window(x: &Tensor, w: &Window) -> Result<Tensor> {
    let span = w
        .size
        .saturating_sub(1)
        .checked_mul(w.dilation)
        .and_then(|span| span.checked_add(w.size.min(1)))
        .ok_or(Error::Overflow {
            op: "unfold",
            what: "window",
        })?;
    let wide = x.unfold(w.axis as isize, span, w.stride)?;
    let step = isize::try_from(w.dilation).unwrap_or(isize::MAX);
    wide.slice(-1, 0, span as isize, step)
}

/// Takes a part.
#[derive(Clone, Debug)]
pub(crate) struct Take {
    pub(crate) name: &'static str,
    pub(crate) part: Part,
}

impl Op for Take {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(self.part.of(inputs[0])?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let put = Put {
            take: self.clone(),
            shape: *ctx.input_shape(0),
        };
        Ok(vec![Some(apply(put, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

/// The adjoint of [`Take`]: zeros with the input at the part; where that overlaps, the sum in row-major order.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) take: Take,
    pub(crate) shape: Shape,
}

impl Op for Put {
    fn name(&self) -> &'static str {
        self.take.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let src = inputs[0];
        let zeros = Tensor::zeros(self.shape, src.dtype())?;
        if !self.take.part.overlaps() {
            return Ok(zeros.overwritten(|x| self.take.part.of(x), src)?.into());
        }
        let layout = *self.take.part.of(&zeros)?.layout();
        with_float!(src.dtype(), self.name(), T => {
            let src = src.view::<T>()?;
            let sum = Tensor::build(self.shape, |dst: &mut [T]| movement::add_through(dst, &layout, src))?;
            Ok(sum.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(
            self.take.clone(),
            &[&ctx.grad(grad_out, 0)?],
        )?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dim_is_inferred_where_that_is_possible() {
        let got = |numel, dims: &[isize]| inferred("reshape", numel, dims).map(|s| s.to_vec());
        assert_eq!(got(6, &[2, -1]), Ok(vec![2, 3]));
        assert_eq!(got(0, &[2, -1]), Ok(vec![2, 0]));
        assert_eq!(got(1, &[]), Ok(vec![]));
        for dims in [&[-1, -1][..], &[4, -1], &[0, -1], &[-2, 3], &[isize::MIN]] {
            assert!(got(6, dims).is_err(), "{dims:?}");
        }
    }

    #[test]
    fn indices_count_from_both_ends() {
        let got = |index| wrapped("narrow", 0, index, 3).ok();
        assert_eq!(
            [-3, -1, 0, 3].map(got),
            [Some(0), Some(2), Some(0), Some(3)]
        );
        assert_eq!([-4, 4, i64::MIN, i64::MAX].map(got), [None; 4]);
    }
}
