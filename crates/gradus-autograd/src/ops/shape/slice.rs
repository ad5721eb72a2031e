//! A part of a dim, in steps.

use gradus_tensor::{Result, Shape, Tensor};

use crate::ops::support::index;
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Slice {
    axis: usize,
    start: isize,
    end: isize,
    step: isize,
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0]
            .slice(self.axis as isize, self.start, self.end, self.step)?
            .into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let place = Place {
            shape: *ctx.input_shape(0),
            axis: self.axis,
            start: self.start,
            end: self.end,
            step: self.step,
        };
        Ok(vec![Some(apply(place, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

/// The gradient of [`Slice`]: zeros with the input at the slice's positions.
#[derive(Debug)]
struct Place {
    shape: Shape,
    axis: usize,
    start: isize,
    end: isize,
    step: isize,
}

impl Op for Place {
    fn name(&self) -> &'static str {
        "slice_backward"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        // The bounds were checked by the slice; an empty one may start at -1, where nothing is written.
        let start = usize::try_from(self.start).unwrap_or(0);
        Ok(index::place(inputs[0], &self.shape, self.axis, start, self.step)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        Ok(vec![Some(grad.slice(
            self.axis as isize,
            self.start,
            self.end,
            self.step,
        )?)])
    }
}

impl Var {
    /// Positions `start, start + step, …` of `dim`, up to but without `end`. A view.
    ///
    /// `step` may be negative: then the walk goes down, and `end` is -1 to include position 0. Unlike Python's, negative
    /// bounds do not count from the end.
    ///
    /// # Shapes
    /// `dim` gets as many positions as the walk has; the rest stays.
    ///
    /// # Gradient
    /// `grad_out` at these positions, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::IndexOutOfRange`] if a bound is;
    /// [`crate::Error::Argument`] if `step` is 0.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.slice(1, 0, 3, 2)?.tensor().to_vec::<f32>()?, [1.0, 3.0, 4.0, 6.0]);
    /// assert_eq!(x.slice(1, 2, -1, -1)?.tensor().to_vec::<f32>()?, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As slicing in Python, `x[:, start:end:step]`, and beyond it by negative steps.
    pub fn slice(&self, dim: isize, start: isize, end: isize, step: isize) -> Result<Self> {
        let axis = self.shape().axis("slice", dim)?;
        apply(
            Slice {
                axis,
                start,
                end,
                step,
            },
            &[self],
        )
    }
}

/// Its registration. With a step above 0 bounds count from the end where negative and are clamped, as in Python.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("slice", |a| {
        let (x, dim, step) = (a.var("x")?, a.isize("dim")?, a.isize("step")?);
        let size = x.dims()[x.shape().axis("slice", dim)?] as isize;
        let [first, last] = if step < 0 { [size - 1, -1] } else { [0, size] };
        let bound = |given: Option<isize>, usual: isize| match given {
            None => usual,
            Some(at) if step < 0 => at,
            Some(at) if at < 0 => at.saturating_add(size).max(0),
            Some(at) => at.min(size),
        };
        let start = bound(a.opt("start", Args::isize)?, first);
        let end = bound(a.opt("end", Args::isize)?, last);
        Ok(one(x.slice(dim, start, end, step)?))
    })
    .input("x", Kind::Any)
    .attr("dim", AttrType::Int, 0)
    .attr("start", AttrType::Int, Attr::None)
    .attr("end", AttrType::Int, Attr::None)
    .attr("step", AttrType::Int, 1)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let (size, step) = (x.dims[axis] as isize, a.isize("step")?);
        let (first, last) = if step < 0 { (size - 1, -1) } else { (0, size) };
        let python = |at: isize| if step > 0 && at < 0 { at + size } else { at };
        let mut at = python(a.opt("start", Args::isize)?.unwrap_or(first));
        let end = python(a.opt("end", Args::isize)?.unwrap_or(last));
        let mut walk = Vec::new();
        while (step > 0 && at < end) || (step < 0 && at > end) {
            walk.extend(usize::try_from(at).ok().filter(|_| at < size));
            at += step;
        }
        Ok(vec![x.along(axis, |lane| {
            walk.iter().map(|&i| lane[i]).collect()
        })])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let size = dims[dim.rem_euclid(dims.len() as i64) as usize] as i64;
        let mut args = Args::new().with("x", d.reals(&dims)?).attr("dim", dim);
        let step = d.int(1..=3);
        let down = d.flag() && size > 0;
        args = args.attr("step", if down { -step } else { step });
        let [low, high] = if down {
            [-1, size - 1]
        } else {
            [-size, size + 1]
        };
        for name in ["start", "end"] {
            if d.flag() {
                args = args.attr(name, d.int(low..=high));
            }
        }
        Ok(args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_bounds_outside_and_a_step_of_zero() {
        let got = constant(&BOTH_SIGNS, [2, 3]).slice(1, 0, 4, 1);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).slice(1, -1, 2, 1);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).slice(1, 0, 2, 0);
        assert!(matches!(got, Err(crate::Error::Argument { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).slice(2, 0, 2, 1);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn steps_down_and_empty_walks() {
        for (start, end, step) in [(3, -1, -1), (3, -1, -2), (2, 0, -1), (1, 1, 1), (2, 1, 3)] {
            check_gradient(
                |v| v[0].slice(0, start, end, step)?.sum(&[], false)?.square(),
                &[sampled(&[4, 2], 1)],
            );
        }
    }

    #[test]
    fn museum_34_a_slice_knows_its_start() {
        let x = constant(&[0.0_f64, 1.0, 2.0, 3.0], 4)
            .slice(0, 2, 4, 1)
            .unwrap();
        assert_eq!(values(&x.mul_scalar(10.0).unwrap()), [20.0, 30.0]);
    }
}
