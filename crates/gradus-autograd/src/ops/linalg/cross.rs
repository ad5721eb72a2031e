//! Vector products in space.

use gradus_tensor::{Error, Result, broadcast_shapes};

use crate::Var;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

impl Var {
    /// The vector products of vectors along `dim`, which has size 3; the other dims broadcast.
    ///
    /// # Shapes
    /// Both of one rank; the shape that they broadcast to.
    ///
    /// # Numerics
    /// `aᵢ bⱼ - aⱼ bᵢ`, each product rounded. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `other × grad_out` and `grad_out × self`. Saves both.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if ranks differ, shapes do not broadcast or the size is not 3; [`Error::Axis`];
    /// [`Error::DTypeMismatch`], [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 0.0, 0.0], [3])?);
    /// let y = Var::from(Tensor::from_slice(&[0.0_f32, 1.0, 0.0], [3])?);
    /// assert_eq!(x.cross(&y, -1)?.tensor().to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.cross`.
    pub fn cross(&self, other: &Self, dim: isize) -> Result<Self> {
        let axis = self.shape().axis("cross", dim)?;
        if self.rank() != other.rank() || self.dims()[axis] != 3 || other.dims()[axis] != 3 {
            return Err(Error::ShapeMismatch {
                op: "cross",
                lhs: *self.shape(),
                rhs: *other.shape(),
                rule: "both have one rank, and size 3 in the dim of the vectors",
            });
        }
        let shape = broadcast_shapes("cross", self.shape(), other.shape())?;
        let dim = [axis as isize];
        let (a, b) = (self.expand(shape)?, other.expand(shape)?);
        let (a1, a2) = (a.roll(&[-1], &dim)?, a.roll(&[1], &dim)?);
        let (b1, b2) = (b.roll(&[-1], &dim)?, b.roll(&[1], &dim)?);
        a1.mul(&b2)?.sub(&a2.mul(&b1)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cross", |a| {
        Ok(one(a.var("x")?.cross(a.var("y")?, a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("dim", AttrType::Int, -1)
    .reference(|a| {
        let (x, y) = (a.dense("x")?, a.dense("y")?);
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let dims = x.zip(&y, |_, _| 0.0).dims;
        Ok(vec![Dense::from_fn(&dims, |at| {
            let of = |z: &Dense, i: usize| {
                let mut own = at.to_vec();
                own[axis] = i;
                z.wide(&own)
            };
            let (i, j) = [(1, 2), (2, 0), (0, 1)][at[axis]];
            of(&x, i) * of(&y, j) - of(&x, j) * of(&y, i)
        })])
    })
    .draw(|d| {
        let mut wide = d.some_shape();
        let dim = d.dim(wide.len());
        let axis = dim.rem_euclid(wide.len() as i64) as usize;
        wide[axis] = 3;
        let mut other = wide.clone();
        for (i, size) in other.iter_mut().enumerate() {
            if i != axis && d.below(3) == 2 {
                *size = 1;
            }
        }
        let args = Args::new().with("x", d.reals(&wide)?);
        Ok(args.with("y", d.reals(&other)?).attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_06_both_factors_get_their_gradient() {
        let (x, y) = (leaf(&[1.0_f64, 2.0, 3.0], 3), leaf(&[4.0_f64, 5.0, 6.0], 3));
        let g = constant(&[1.0_f64, 10.0, 100.0], 3);
        let grads = x.cross(&y, 0).unwrap().backward_with(&g).unwrap();
        let of = |v: &Var| grads.get_var(v).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), values(&y.cross(&g, 0).unwrap()));
        assert_eq!(of(&y), values(&g.cross(&x, 0).unwrap()));
    }

    #[test]
    fn rejects_vectors_that_are_none_of_space() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for (other, dim) in [(x.clone(), 0), (constant(&[1.0; 3], 3), 1)] {
            let got = x.cross(&other, dim);
            assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        }
        assert!(matches!(x.cross(&x, 2), Err(Error::Axis { .. })));
    }
}
