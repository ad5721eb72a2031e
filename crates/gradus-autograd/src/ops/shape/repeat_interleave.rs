//! Every position of a dim several times.

use gradus_tensor::{DType, Error, Result, Tensor};

use crate::Var;
use crate::ops::support::movement::axis;
use crate::ops::support::require_dtype;
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};

impl Var {
    /// Every position of `dim` `repeats` times, one behind the other; without a dim those of the flattened tensor.
    ///
    /// # Shapes
    /// The size of `dim` times `repeats`; rank 1 without a dim. Any dtype.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the repetitions. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Overflow`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.repeat_interleave(2, None)?.tensor().to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.repeat_interleave` with a number.
    pub fn repeat_interleave(&self, repeats: usize, dim: Option<isize>) -> Result<Self> {
        let Some(dim) = dim else {
            return self.flatten(0, -1)?.repeat_interleave(repeats, Some(0));
        };
        let op = "repeat_interleave";
        let axis = axis(op, self.shape(), dim)?;
        if self.rank() == 0 {
            return self.reshape([1])?.repeat_interleave(repeats, Some(0));
        }
        let (before, rest) = self.dims().split_at(axis);
        let (outer, inner): (usize, usize) = (before.iter().product(), rest[1..].iter().product());
        let size = rest[0].checked_mul(repeats).ok_or(Error::Overflow {
            op,
            what: "repeated dim",
        })?;
        let shape = [before, &[size], &rest[1..]].concat();
        let each = self.reshape([outer * rest[0], 1, inner])?;
        let wide = each.expand([outer * rest[0], repeats, inner])?;
        wide.reshape(shape)
    }

    /// Position `i` of `dim` `repeats[i]` times, one behind the other; without a dim those of the flattened tensor.
    ///
    /// # Shapes
    /// `repeats` (i64) has rank 1 and the size of `dim`, or 1 element for all positions; the size of `dim` becomes its sum.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the repetitions. Keeps the positions.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::DType`] if `repeats` is not i64; [`Error::Rank`] above rank 1;
    /// [`Error::Length`] if it does not fit; [`Error::IndexOutOfRange`] for a negative number; [`Error::Overflow`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let counts = Tensor::from_slice(&[0_i64, 3], [2])?;
    /// assert_eq!(x.repeat_interleave_by(&counts, Some(0))?.tensor().to_vec::<f32>()?, [2.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.repeat_interleave` with a tensor.
    pub fn repeat_interleave_by(&self, repeats: &Tensor, dim: Option<isize>) -> Result<Self> {
        let Some(dim) = dim else {
            return self.flatten(0, -1)?.repeat_interleave_by(repeats, Some(0));
        };
        let op = "repeat_interleave";
        require_dtype(op, repeats, &[DType::I64])?;
        if self.rank() == 0 {
            return self.reshape([1])?.repeat_interleave_by(repeats, Some(dim));
        }
        let len = self.dims()[self.shape().axis(op, dim)?];
        if repeats.rank() > 1 {
            return Err(Error::Rank {
                op,
                expected: 1,
                got: *repeats.shape(),
            });
        }
        let counts = repeats.to_vec::<i64>()?;
        let counts = if counts.len() == 1 {
            vec![counts[0]; len]
        } else {
            counts
        };
        if counts.len() != len {
            return Err(Error::Length {
                op,
                expected: len,
                got: counts.len(),
            });
        }
        self.index_select(dim, &positions(op, &counts)?)
    }
}

/// Each position as often as it is counted.
fn positions(op: &'static str, counts: &[i64]) -> Result<Tensor> {
    let mut total = 0_usize;
    for (position, &index) in counts.iter().enumerate() {
        let count = usize::try_from(index).map_err(|_| Error::IndexOutOfRange {
            op,
            position,
            index,
            len: usize::MAX,
        })?;
        total = total.checked_add(count).ok_or(Error::Overflow {
            op,
            what: "sum of the repeats",
        })?;
    }
    Tensor::build([total], |out: &mut [i64]| {
        let mut out = out.iter_mut();
        for (position, &count) in counts.iter().enumerate() {
            out.by_ref()
                .take(count as usize)
                .for_each(|out| *out = position as i64);
        }
    })
}

/// Its registration: `repeats` is a number, or a tensor if one is given.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("repeat_interleave", |a| {
        let (x, dim) = (a.var("x")?, a.opt("dim", Args::isize)?);
        Ok(one(
            match (a.opt_tensor("repeats"), a.is_none("repeats")?) {
                (Some(repeats), _) => x.repeat_interleave_by(repeats, dim)?,
                (None, false) => x.repeat_interleave(a.usize("repeats")?, dim)?,
                (None, true) => {
                    return Err(Error::Call {
                        op: "repeat_interleave",
                        name: "repeats".to_owned(),
                        expected: "must be given, as a number or a tensor".to_owned(),
                    });
                }
            },
        ))
    })
    .input("x", Kind::Any)
    .optional("repeats", Kind::Index)
    .attr("repeats", AttrType::Int, Attr::None)
    .attr("dim", AttrType::Int, Attr::None)
    .reference(|a| {
        let (mut x, dim) = (a.dense("x")?, a.opt("dim", Args::isize)?);
        if dim.is_none() || x.rank() == 0 {
            let numel = x.numel();
            x = x.reshape(&[numel]);
        }
        let axis = dim.unwrap_or(0).rem_euclid(x.rank() as isize) as usize;
        let counts = a.opt_dense("repeats")?;
        let count = |i: usize| match &counts {
            Some(counts) => Ok(counts.data[i % counts.numel()] as usize),
            None => a.usize("repeats"),
        };
        let counts = (0..x.dims[axis])
            .map(count)
            .collect::<Result<Vec<usize>>>()?;
        Ok(vec![x.along(axis, |lane| {
            let each = lane.iter().zip(&counts);
            each.flat_map(|(&x, &count)| vec![x; count]).collect()
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let dim = d.flag().then(|| d.dim(dims.len()));
        let mut args = Args::new().with("x", d.reals(&dims)?);
        let len = match dim {
            Some(dim) if !dims.is_empty() => dims[dim.rem_euclid(dims.len() as i64) as usize],
            _ => dims.iter().product(),
        };
        if let Some(dim) = dim {
            args = args.attr("dim", dim);
        }
        Ok(match d.below(3) {
            0 => args.attr("repeats", d.range(0..=3)),
            1 => args.with("repeats", d.indices(&[len], 3)?),
            _ => args.with("repeats", d.indices(&[1], 3)?),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_repeats_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let by = |counts: &[i64]| x.repeat_interleave_by(&tensor(counts, counts.len()), Some(0));
        assert!(matches!(by(&[1, 2, 3]), Err(Error::Length { .. })));
        assert!(matches!(by(&[1, -2]), Err(Error::IndexOutOfRange { .. })));
        assert!(by(&[i64::MAX, i64::MAX]).is_err());
        assert!(by(&[i64::MAX, 1]).is_err());
        assert!(x.repeat_interleave(usize::MAX, Some(1)).is_err());
        assert!(matches!(
            x.repeat_interleave(1, Some(2)),
            Err(Error::Axis { .. })
        ));
    }
}
