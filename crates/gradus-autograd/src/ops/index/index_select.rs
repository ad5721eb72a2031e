//! Slices of a dim picked by index.

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::support::index;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Picks; the positions are checked.
#[derive(Clone, Debug)]
struct IndexSelect {
    axis: usize,
    positions: std::sync::Arc<[usize]>,
}

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let mut dims = inputs[0].dims().to_vec();
        dims[self.axis] = self.positions.len();
        Ok(index::select(inputs[0], self.axis, &self.positions, &Shape::new(&dims)?)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let add = IndexAdd {
            select: self.clone(),
            into: *ctx.input_shape(0),
        };
        Ok(vec![Some(apply(add, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

/// The gradient of [`IndexSelect`]: adds each slice to the place that it was picked from.
#[derive(Debug)]
struct IndexAdd {
    select: IndexSelect,
    into: Shape,
}

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_select_backward"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let IndexSelect {
            axis,
            ref positions,
        } = self.select;
        Ok(index::add_at(self.name(), inputs[0], axis, positions, &self.into)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(
            self.select.clone(),
            &[&ctx.grad(grad_out, 0)?],
        )?)])
    }
}

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
    /// [`Error::Axis`] if `dim` is outside; [`Error::Rank`] or [`Error::DType`] if `index` is not a vector of i64;
    /// [`Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
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
        let axis = self.shape().axis("index_select", dim)?;
        if index.rank() != 1 {
            return Err(Error::Rank {
                op: "index_select",
                expected: 1,
                got: *index.shape(),
            });
        }
        let positions = index::positions("index_select", index, self.dims()[axis])?.into();
        apply(IndexSelect { axis, positions }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x = tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        let index = tensor(&[1_i64, 1, 0], 3);
        let want = [4.0, 5.0, 6.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0];
        check_forward(
            |v| v[0].index_select(0, &index),
            std::slice::from_ref(&x),
            &want,
        );
        check_forward(
            |v| v[0].index_select(-1, &index),
            &[x],
            &[2.0, 2.0, 1.0, 5.0, 5.0, 4.0],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        let index = tensor(&[1_i64, 0, 1, 1], 4);
        for dim in [0, 1, 2] {
            check_gradient(
                |v| v[0].index_select(dim, &index)?.square(),
                &[sampled(&[2, 3, 2], 1)],
            );
        }
    }

    #[test]
    fn accepts_strided_views() {
        for (_, index) in layouts(&tensor(&[1_i64, 0, 1], 3), 99_i64) {
            check_layouts(|v| v[0].index_select(1, &index), &[sampled(&[2, 4, 2], 1)]);
        }
        let none = tensor::<i64>(&[], 0);
        check_empty(|v| v[0].index_select(0, &none), &[&[3, 2]]);
        check_empty(|v| v[0].index_select(0, &none), &[&[0, 2]]);
    }

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
