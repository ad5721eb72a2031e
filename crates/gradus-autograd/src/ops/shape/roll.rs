//! Elements moved along dims, round the end.

use gradus_tensor::{Error, Result, Tensor};

use crate::ops::support::movement::axis;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Axes with how far their elements move on, at least 0 and below their size.
#[derive(Debug)]
struct Roll {
    moves: Vec<(usize, usize)>,
}

impl Op for Roll {
    fn name(&self) -> &'static str {
        "roll"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let mut x = inputs[0].clone();
        for &(axis, by) in &self.moves {
            let (dim, size) = (axis as isize, x.dims()[axis]);
            let [start, end] = [x.narrow(dim, 0, size - by)?, x.narrow(dim, size - by, by)?];
            x = Tensor::zeros(x.shape(), x.dtype())?
                .overwritten(|out| out.narrow(dim, by, size - by), &start)?
                .overwritten(|out| out.narrow(dim, 0, by), &end)?;
        }
        Ok(x.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let back = |&(axis, by): &(usize, usize)| (axis, ctx.input_shape(0)[axis] - by);
        let moves = self.moves.iter().map(back).collect();
        Ok(vec![Some(apply(
            Roll { moves },
            &[&ctx.grad(grad_out, 0)?],
        )?)])
    }
}

impl Var {
    /// The elements moved by `shifts[i]` positions along `dims[i]`; those that leave come in again at the other end. Without
    /// dims along the flattened tensor.
    ///
    /// # Shapes
    /// Any; the result has the same. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` moved back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside; [`Error::Length`] if there are not as many shifts as dims (one without dims).
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 4.0, 1.0)?);
    /// assert_eq!(x.roll(&[1], &[0])?.tensor().to_vec::<f32>()?, [3.0, 0.0, 1.0, 2.0]);
    /// assert_eq!(x.roll(&[-1], &[])?.tensor().to_vec::<f32>()?, [1.0, 2.0, 3.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.roll`.
    pub fn roll(&self, shifts: &[isize], dims: &[isize]) -> Result<Self> {
        let expected = dims.len().max(1);
        if shifts.len() != expected {
            return Err(Error::Length {
                op: "roll",
                expected,
                got: shifts.len(),
            });
        }
        if dims.is_empty() {
            return self
                .flatten(0, -1)?
                .roll(shifts, &[0])?
                .reshape(self.shape());
        }
        let mut moves = Vec::new();
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let axis = axis("roll", self.shape(), dim)?;
            let size = self.dims().get(axis).copied().unwrap_or(1);
            if size > 1 {
                moves.push((axis, shift.rem_euclid(size as isize) as usize));
            }
        }
        apply(Roll { moves }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("roll", |a| {
        let dims = a.opt("dims", Args::isizes)?.unwrap_or_default();
        Ok(one(a.var("x")?.roll(&a.isizes("shifts")?, &dims)?))
    })
    .input("x", Kind::Any)
    .required("shifts", AttrType::Ints)
    .attr("dims", AttrType::Ints, crate::registry::Attr::None)
    .reference(|a| {
        let (x, shifts) = (a.dense("x")?, a.isizes("shifts")?);
        let Some(dims) = a.opt("dims", Args::isizes)?.filter(|dims| !dims.is_empty()) else {
            let mut flat = x.data.clone();
            for (i, &value) in x.data.iter().enumerate() {
                let to = (i as isize + shifts[0]).rem_euclid(x.numel() as isize);
                flat[to as usize] = value;
            }
            let dims = x.dims;
            return Ok(vec![Dense { dims, data: flat }]);
        };
        Ok(vec![Dense::from_fn(&x.dims, |at| {
            let mut from = at.to_vec();
            for (&shift, &dim) in shifts.iter().zip(&dims) {
                let axis = dim.rem_euclid(x.rank() as isize) as usize;
                let i = from[axis] as isize - shift;
                from[axis] = i.rem_euclid(x.dims[axis] as isize) as usize;
            }
            x.at(&from)
        })])
    })
    .draw(|d| {
        let shape = d.any_shape();
        let mut dims = d.dims(shape.len(), 0);
        if !dims.is_empty() && d.below(4) == 3 {
            dims.push(dims[0]);
        }
        let count = dims.len().max(1);
        let shifts: Vec<i64> = (0..count).map(|_| d.int(-5..=5)).collect();
        let args = Args::new()
            .with("x", d.reals(&shape)?)
            .attr("shifts", shifts);
        Ok(match dims.is_empty() {
            true => args,
            false => args.attr("dims", dims),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn shifts_at_the_ends_of_the_numbers() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for shift in [isize::MIN, isize::MAX] {
            let near = shift.rem_euclid(6);
            let [far, near] = [shift, near].map(|by| values(&x.roll(&[by], &[]).unwrap()));
            assert_eq!(far, near);
        }
        assert!(matches!(x.roll(&[1], &[2]), Err(Error::Axis { .. })));
        assert!(matches!(x.roll(&[1, 2], &[0]), Err(Error::Length { .. })));
        assert!(matches!(x.roll(&[1, 2], &[]), Err(Error::Length { .. })));
    }
}
