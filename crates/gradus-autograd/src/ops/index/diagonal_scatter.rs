//! A source written over a diagonal.

use super::slice_scatter::region_reference;
use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::Places;
use crate::ops::support::scatter_cases::require_shape;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `src` written over the diagonal of dims `dim1` and `dim2`; `offset` above (positive) or below it.
    ///
    /// # Shapes
    /// `src` is as `self` without both dims, and with the diagonal as its last.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 on the diagonal. Of `src`: the diagonal of `grad_out`.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or both are the same; [`crate::Error::ShapeMismatch`] if `src` does not fit;
    /// [`crate::Error::DTypeMismatch`] if it is of another dtype.
    ///
    /// As `torch.diagonal_scatter`.
    pub fn diagonal_scatter(
        &self,
        src: &Self,
        offset: isize,
        dim1: isize,
        dim2: isize,
    ) -> Result<Self> {
        let places = Places::viewed(self.shape(), self.rank(), |numbers| {
            numbers.diagonal(offset, dim1, dim2)
        })?;
        require_shape("diagonal_scatter", places.picked(), src)?;
        put_over("diagonal_scatter", places, self, src)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("diagonal_scatter", |a| {
        let (offset, dims) = (a.isize("offset")?, (a.isize("dim1")?, a.isize("dim2")?));
        let src = a.var("src")?;
        Ok(one(a
            .var("x")?
            .diagonal_scatter(src, offset, dims.0, dims.1)?))
    })
    .input("x", Kind::Any)
    .input("src", Kind::Any)
    .attr("offset", AttrType::Int, 0)
    .attr("dim1", AttrType::Int, 0)
    .attr("dim2", AttrType::Int, 1)
    .reference(|a| {
        let rank = a.dense("x")?.rank() as i64;
        let axis = |name: &str| Ok(a.int(name)?.rem_euclid(rank) as usize);
        let (rows, cols) = (axis("dim1")?, axis("dim2")?);
        let offset = a.isize("offset")?;
        region_reference(a, |at, _| {
            let (i, j) = (at[rows] as isize, at[cols] as isize);
            (j - i == offset).then(|| {
                let others = (0..at.len()).filter(|&a| a != rows && a != cols);
                others.map(|a| at[a]).chain([i.min(j) as usize]).collect()
            })
        })
    })
    .draw(|d| {
        let dims = d.shape(2..=3, 1..=4);
        let order = d.order(dims.len());
        let (dim1, dim2) = (order[0], order[1]);
        let (rows, cols) = (dims[dim1] as i64, dims[dim2] as i64);
        let offset = d.int(-rows..=cols);
        let long = (0..rows)
            .filter(|i| (0..cols).contains(&(i + offset)))
            .count();
        let others = (0..dims.len()).filter(|&a| a != dim1 && a != dim2);
        let src: Vec<usize> = others.map(|a| dims[a]).chain([long]).collect();
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("src", d.reals(&src)?)
            .attr("offset", offset)
            .attr("dim1", dim1)
            .attr("dim2", dim2 as i64 - dims.len() as i64))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_07_the_gradient_is_1_off_the_diagonal_and_0_on_it() {
        let (x, src) = (leaf(&[0.0_f64; 6], [2, 3]), leaf(&[1.0_f64; 2], 2));
        let y = x.diagonal_scatter(&src, 0, 0, 1).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(of(&src), [1.0, 1.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.diagonal_scatter(&x, 0, 0, 1);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.diagonal_scatter(&x, isize::MIN, 1, -1);
        assert!(matches!(got, Err(Error::Axis { .. })), "{got:?}");
        assert!(x.diagonal_scatter(&x, isize::MIN, 0, 1).is_err());
    }
}
