//! A source written over a slice of a dim.

use gradus_tensor::Error;

use crate::ops::support::lane_cases::axis_of;
use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::Places;
use crate::ops::support::scatter_cases::require_shape;
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Result, Var};

/// First and last bound, as Python takes them: negative ones count from the end, those outside are brought to it.
fn bounds(size: usize, start: Option<isize>, end: Option<isize>) -> (isize, isize) {
    let size = size as isize;
    let bring = |bound: isize| {
        let bound = if bound < 0 {
            bound.saturating_add(size)
        } else {
            bound
        };
        bound.clamp(0, size)
    };
    let start = start.map_or(0, bring);
    (start, end.map_or(size, bring).max(start))
}

impl Var {
    /// A copy with `src` written over elements `start, start + step, …` of `dim`, up to but without `end`.
    ///
    /// # Shapes
    /// `src` has the shape of the slice. Bounds are those of Python: negative ones count from the end, none means to the end, those
    /// outside are brought to it.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 in the slice. Of `src`: the slice of `grad_out`.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::Argument`] if `step` is not positive; [`Error::ShapeMismatch`] if `src` has not
    /// the shape of the slice; [`Error::DTypeMismatch`] if it is of another dtype.
    ///
    /// As `torch.slice_scatter`.
    pub fn slice_scatter(
        &self,
        src: &Self,
        dim: isize,
        start: Option<isize>,
        end: Option<isize>,
        step: isize,
    ) -> Result<Self> {
        let axis = self.shape().axis("slice_scatter", dim)?;
        if step < 1 {
            return Err(Error::Argument {
                op: "slice_scatter",
                name: "step",
                expected: "at least 1",
                got: step as f64,
            });
        }
        let (start, end) = bounds(self.dims()[axis], start, end);
        let places = Places::viewed(self.shape(), axis + 1, |numbers| {
            numbers.slice(axis as isize, start, end, step)
        })?;
        require_shape("slice_scatter", places.picked(), src)?;
        put_over("slice_scatter", places, self, src)
    }
}

/// The spec of an op that writes `src` over a part of `x`; `inside` says where in `src` an element of `x` comes from.
pub(super) fn region_reference(
    a: &Args,
    inside: impl Fn(&[usize], &[usize]) -> Option<Vec<usize>>,
) -> Result<Vec<Dense>> {
    let (x, src) = (a.dense("x")?, a.dense("src")?);
    Ok(vec![Dense::from_fn(&x.dims, |at| {
        inside(at, &x.dims).map_or_else(|| x.at(at), |from| src.at(&from))
    })])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let dim = d.dim(dims.len());
    let axis = dim.rem_euclid(dims.len() as i64) as usize;
    let size = dims[axis] as i64;
    let (start, end) = (d.int(-size - 1..=size), d.int(-size..=size + 2));
    let step = d.range(1..=3);
    let (open, closed) = (d.below(4) == 0, d.below(4) == 0);
    let (start, end) = ((!open).then_some(start), (!closed).then_some(end));
    let found = bounds(
        dims[axis],
        start.map(|i| i as isize),
        end.map(|i| i as isize),
    );
    let mut src = dims.clone();
    src[axis] = (found.1 - found.0).unsigned_abs().div_ceil(step);
    Ok(Args::new()
        .with("x", d.reals(&dims)?)
        .with("src", d.reals(&src)?)
        .attr("dim", dim)
        .attr("start", start)
        .attr("end", end)
        .attr("step", step))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("slice_scatter", |a| {
        let start = a.opt("start", |a, name| a.isize(name))?;
        let end = a.opt("end", |a, name| a.isize(name))?;
        let (src, dim, step) = (a.var("src")?, a.isize("dim")?, a.isize("step")?);
        Ok(one(a
            .var("x")?
            .slice_scatter(src, dim, start, end, step)?))
    })
    .input("x", Kind::Any)
    .input("src", Kind::Any)
    .attr("dim", AttrType::Int, 0)
    .attr("start", AttrType::Int, Attr::None)
    .attr("end", AttrType::Int, Attr::None)
    .attr("step", AttrType::Int, 1)
    .reference(|a| {
        let axis = axis_of(a, a.dense("x")?.rank())?;
        let step = a.usize("step")?;
        let from = |name: &str, size: i64, other: i64| -> Result<i64> {
            let given = a.opt(name, |a, name| a.int(name))?.unwrap_or(other);
            Ok(if given < 0 {
                (given + size).max(0)
            } else {
                given.min(size)
            })
        };
        let size = a.dense("x")?.dims[axis] as i64;
        let (start, end) = (
            from("start", size, 0)? as usize,
            from("end", size, size)? as usize,
        );
        region_reference(a, |at, _| {
            let i = at[axis];
            let inside = i >= start && i < end && (i - start) % step == 0;
            inside.then(|| {
                let mut from = at.to_vec();
                from[axis] = (i - start) / step;
                from
            })
        })
    })
    .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_07_the_gradient_of_what_stays_is_1_and_of_what_is_written_over_0() {
        let (x, src) = (leaf(&[0.0_f64; 6], [2, 3]), leaf(&[1.0_f64; 2], [2, 1]));
        let y = x.slice_scatter(&src, 1, Some(-2), Some(2), 1).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(of(&src), [1.0, 1.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.slice_scatter(&x, 1, Some(0), Some(2), 1);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.slice_scatter(&x, 1, None, None, 0);
        assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        let all = x.slice_scatter(&x, 1, Some(isize::MIN), Some(isize::MAX), 1);
        assert_eq!(values(&all.unwrap()), values(&x));
    }
}
