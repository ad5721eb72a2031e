//! A diagonal of two dims.

use crate::ops::support::movement::{Part, Take};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var, apply};

impl Var {
    /// The diagonal of dims `dim1` and `dim2` as a new last dim, `offset` above (positive) or below the main one. A view.
    ///
    /// # Shapes
    /// The input's without the two dims, and the length of the diagonal, which may be 0.
    ///
    /// # Gradient
    /// `grad_out` on the diagonal, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or both are the same.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?).reshape([2, 3])?;
    /// assert_eq!(x.diagonal(1, 0, 1)?.tensor().to_vec::<f32>()?, [1.0, 5.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.diagonal`.
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Self> {
        let name = "diagonal";
        let part = Part::Diagonal { offset, dim1, dim2 };
        apply(Take { name, part }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("diagonal", |a| {
        let dims = [a.isize("dim1")?, a.isize("dim2")?];
        let x = a.var("x")?;
        Ok(one(x.diagonal(a.isize("offset")?, dims[0], dims[1])?))
    })
    .input("x", Kind::Any)
    .attr("offset", AttrType::Int, 0)
    .attr("dim1", AttrType::Int, 0)
    .attr("dim2", AttrType::Int, 1)
    .reference(|a| {
        let (x, offset) = (a.dense("x")?, a.isize("offset")?);
        let axis = |dim: isize| dim.rem_euclid(x.rank() as isize) as usize;
        let (row, column) = (axis(a.isize("dim1")?), axis(a.isize("dim2")?));
        let on = |i: usize| {
            let (r, c) = (i as isize - offset.min(0), i as isize + offset.max(0));
            let inside = r < x.dims[row] as isize && c < x.dims[column] as isize;
            inside.then_some((r as usize, c as usize))
        };
        let others: Vec<usize> = (0..x.rank()).filter(|&d| d != row && d != column).collect();
        let mut dims: Vec<usize> = others.iter().map(|&d| x.dims[d]).collect();
        dims.push((0..).take_while(|&i| on(i).is_some()).count());
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = vec![0; x.rank()];
            for (&d, &i) in others.iter().zip(at) {
                own[d] = i;
            }
            (own[row], own[column]) = on(at[others.len()]).unwrap_or_default();
            x.at(&own)
        })])
    })
    .draw(|d| {
        let dims = d.shape(2..=4, 1..=4);
        let order = d.order(dims.len());
        let sign = |axis: usize, flip: bool| axis as i64 - if flip { dims.len() as i64 } else { 0 };
        let (dim1, dim2) = (sign(order[0], d.flag()), sign(order[1], d.flag()));
        let args = Args::new().with("x", d.reals(&dims)?);
        let args = args.attr("offset", d.int(-2..=2));
        Ok(args.attr("dim1", dim1).attr("dim2", dim2))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn offsets_outside_leave_nothing() {
        let x = leaf(&BOTH_SIGNS, [2, 3]);
        for offset in [3, -2, isize::MAX, isize::MIN] {
            let y = x.diagonal(offset, 0, 1).unwrap();
            assert_eq!(y.dims(), [0]);
            let grads = y.backward_with(&y.detach()).unwrap();
            let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(grad, [0.0; 6]);
        }
        let got = x.diagonal(0, 1, -1);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
