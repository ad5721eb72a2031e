//! A source written over one element of a dim.

use gradus_tensor::Error;

use super::slice_scatter::region_reference;
use crate::ops::support::lane_cases::axis_of;
use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::Places;
use crate::ops::support::scatter_cases::require_shape;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `src` written over element `index` of `dim`.
    ///
    /// # Shapes
    /// `src` is as `self` without `dim`. A negative `index` counts from the end.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 at the element. Of `src`: `grad_out` there.
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::IndexOutOfRange`] if `index` is; [`Error::ShapeMismatch`] if `src` does not fit;
    /// [`Error::DTypeMismatch`] if it is of another dtype.
    ///
    /// As `torch.select_scatter`.
    pub fn select_scatter(&self, src: &Self, dim: isize, index: isize) -> Result<Self> {
        let axis = self.shape().axis("select_scatter", dim)?;
        let len = self.dims()[axis];
        let at = if index < 0 {
            index.saturating_add(len as isize)
        } else {
            index
        };
        let at = usize::try_from(at).ok().filter(|&at| at < len);
        let at = at.ok_or(Error::IndexOutOfRange {
            op: "select_scatter",
            position: axis,
            index: index as i64,
            len,
        })?;
        let places = Places::viewed(self.shape(), axis + 1, |numbers| {
            numbers.select(axis as isize, at)
        })?;
        require_shape("select_scatter", places.picked(), src)?;
        put_over("select_scatter", places, self, src)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("select_scatter", |a| {
        let (dim, index) = (a.isize("dim")?, a.isize("index")?);
        Ok(one(a.var("x")?.select_scatter(
            a.var("src")?,
            dim,
            index,
        )?))
    })
    .input("x", Kind::Any)
    .input("src", Kind::Any)
    .required("dim", AttrType::Int)
    .required("index", AttrType::Int)
    .reference(|a| {
        let axis = axis_of(a, a.dense("x")?.rank())?;
        let index = a.int("index")?;
        region_reference(a, |at, dims| {
            let wanted = index.rem_euclid(dims[axis] as i64) as usize;
            (at[axis] == wanted).then(|| [&at[..axis], &at[axis + 1..]].concat())
        })
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let axis = dim.rem_euclid(dims.len() as i64) as usize;
        let size = dims[axis].max(1) as i64;
        let index = d.int(-size..=size - 1);
        let src = [&dims[..axis], &dims[axis + 1..]].concat();
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("src", d.reals(&src)?)
            .attr("dim", dim)
            .attr("index", index))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_07_the_gradient_of_what_stays_is_1_and_of_what_is_written_over_0() {
        let (x, src) = (leaf(&[0.0_f64; 6], [2, 3]), leaf(&[1.0_f64; 2], 2));
        let y = x.select_scatter(&src, 1, -1).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(of(&src), [1.0, 1.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for index in [3, -4, isize::MIN, isize::MAX] {
            let got = x.select_scatter(&x, 1, index);
            assert!(matches!(got, Err(Error::IndexOutOfRange { .. })), "{got:?}");
        }
        let got = x.select_scatter(&x, 1, 0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
