//! Slices added to those at places named by an index.

use gradus_tensor::Tensor;

use crate::ops::support::place_ops::add_over;
use crate::ops::support::scatter_cases::{draw_slices, naive_scatter, sliced, slices_as_elements};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `alpha` times slice `j` of `source` along `dim` added to slice `index[j]`.
    ///
    /// # Shapes
    /// `index` (i64) is `(K,)`; `source` is as `self` with size K in `dim`.
    ///
    /// # Numerics
    /// Added in the order of `index`, for any number of threads. f32 or f64.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`. Of `source`: `alpha` times the slices of `grad_out` at the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// As `torch.index_add`.
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Self, alpha: f64) -> Result<Self> {
        let parts = sliced("index_add", self, dim, index, source)?;
        let src = if alpha == 1.0 {
            parts.src
        } else {
            parts.src.mul_scalar(alpha)?
        };
        add_over("index_add", parts.places, &parts.x, &src)?.reshape(self.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_add", |a| {
        let (dim, index, source) = (a.isize("dim")?, a.tensor("index")?, a.var("source")?);
        Ok(one(a.var("x")?.index_add(
            dim,
            index,
            source,
            a.float("alpha")?,
        )?))
    })
    .input("x", Kind::Float)
    .input("index", Kind::Index)
    .input("source", Kind::Float)
    .required("dim", AttrType::Int)
    .attr("alpha", AttrType::Float, 1.0)
    .reference(|a| {
        let alpha = a.float("alpha")?;
        let source = a.dense("source")?.map(|x| alpha * x);
        let wide = slices_as_elements(a)?;
        Ok(vec![naive_scatter(&wide, &source, true, |old, new| {
            old + new
        })?])
    })
    .draw(|d| {
        let alpha = d.pick(&[1.0, -0.5, 2.0]);
        Ok(draw_slices(d)?.attr("alpha", alpha))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_42_adding_to_an_expanded_tensor_acts_on_a_copy() {
        let x = constant(&[1.0_f64], [1, 1]).expand([3, 1]).unwrap();
        let y = x.index_add(
            0,
            &tensor(&[1_i64, 1], 2),
            &constant(&[10.0_f64, 10.0], [2, 1]),
            1.0,
        );
        assert_eq!(values(&y.unwrap()), [1.0, 21.0, 1.0]);
        assert_eq!(values(&x), [1.0; 3]);
    }

    #[test]
    fn museum_08_adding_to_a_column_twice() {
        let x = leaf(&[1.0_f64, 2.0, -3.0, 4.0, 5.0, -6.0], [2, 3]);
        let column = tensor(&[0_i64], 1);
        let mut y = x.detach();
        for _ in 0..2 {
            let third = x.narrow(1, 2, 1).unwrap().abs().unwrap();
            y = y.index_add(1, &column, &third, 1.0).unwrap();
        }
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.0, 0.0, -2.0, 0.0, 0.0, -2.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x
            .index_add(0, &tensor(&[0_i64, 5], 2), &x, 1.0)
            .unwrap_err();
        let want = Error::IndexOutOfRange {
            op: "index_add",
            position: 1,
            index: 5,
            len: 2,
        };
        assert_eq!(got, want);
        let got = x.index_add(0, &tensor(&[0_i64], 1), &x, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
