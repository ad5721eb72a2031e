//! Slices of a dim picked by index.

use gradus_tensor::Tensor;

use crate::ops::support::lanes::as_lanes;
use crate::ops::support::place_ops::pick;
use crate::ops::support::places::Places;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The slices of `dim` at these indices, in their order; with `dim = 0` on a `(V, D)` table it is an embedding.
    ///
    /// # Shapes
    /// `index` (i64) is `(K,)`; `dim` of the result has size K, the rest stays.
    ///
    /// # Numerics
    /// Exact. Any dtype; for a gradient f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` added to the slices picked from, in order, so that a slice picked twice gets both. Keeps the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Rank`] or [`crate::Error::DType`] if `index` is not a vector of i64;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let index = Tensor::from_slice(&[1_i64, 1, 0], [3])?;
    /// assert_eq!(x.index_select(0, &index)?.tensor().to_vec::<f32>()?, [3.0, 4.0, 3.0, 4.0, 1.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.index_select`.
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Self> {
        let (x, axis) = as_lanes("index_select", self, dim)?;
        let places = Places::slices("index_select", axis, index, x.shape())?;
        let shape = *places.picked();
        let out = pick("index_select", places, &x)?;
        out.reshape(if self.rank() == 0 {
            gradus_tensor::Shape::SCALAR
        } else {
            shape
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_select", |a| {
        Ok(one(a
            .var("x")?
            .index_select(a.isize("dim")?, a.tensor("index")?)?))
    })
    .input("x", Kind::Any)
    .input("index", Kind::Index)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let (x, index) = (a.dense("x")?, a.dense("index")?);
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let mut dims = x.dims.clone();
        dims[axis] = index.numel();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut from = at.to_vec();
            from[axis] = index.data[at[axis]] as usize;
            x.at(&from)
        })])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let size = dims[dim.rem_euclid(dims.len() as i64) as usize];
        let count = d.range(0..=5);
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("index", d.indices(&[count.min(size * 5)], size)?)
            .attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_03_a_slice_picked_twice_gets_both_gradients() {
        let x = leaf(&[0.1_f64, 0.5], [1, 2]);
        let y = x.index_select(0, &tensor(&[0_i64, 0], 2)).unwrap();
        let grads = y
            .backward_with(&constant(&[0.25, 1.0, 0.5, 2.0], [2, 2]))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.75, 3.0]
        );
    }

    /// The gradient of picking every column of a (256, 128) matrix is the identity.
    #[test]
    fn museum_09_picking_all_is_the_identity() {
        let x = crate::Var::leaf(sampled(&[256, 128], 1));
        let all = crate::Tensor::arange(0_i64, 128, 1).unwrap();
        let grad_out = sampled(&[256, 128], 2);
        let grads = x
            .index_select(1, &all)
            .unwrap()
            .backward_with(&crate::Var::constant(grad_out.clone()))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            grad_out.to_vec::<f64>().unwrap()
        );
    }

    #[test]
    fn rejects_indices_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.index_select(0, &tensor(&[0_i64, 2], 2)).unwrap_err();
        assert_eq!(
            got,
            Error::IndexOutOfRange {
                op: "index_select",
                position: 1,
                index: 2,
                len: 2
            }
        );
        assert!(matches!(
            x.index_select(0, &tensor(&[0_i64], [1, 1])),
            Err(Error::Rank { .. })
        ));
        assert!(matches!(
            x.index_select(0, &tensor(&[0.0_f32], 1)),
            Err(Error::DType { .. })
        ));
        assert!(matches!(
            x.index_select(2, &tensor(&[0_i64], 1)),
            Err(Error::Axis { .. })
        ));
    }
}
