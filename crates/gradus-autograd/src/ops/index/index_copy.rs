//! Slices written to places named by an index.

use gradus_tensor::Tensor;

use crate::ops::support::place_ops::put_over;
use crate::ops::support::scatter_cases::{draw_slices, naive_scatter, sliced, slices_as_elements};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with slice `j` of `source` along `dim` written to slice `index[j]`.
    ///
    /// # Shapes
    /// `index` (i64) is `(K,)`; `source` is as `self` with size K in `dim`.
    ///
    /// # Numerics
    /// Exact. Of several writes to one slice the last stays (PyTorch leaves it open). Any dtype.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 in the slices written to. Of `source`: the slices of `grad_out` at the indices, 0 where a later
    /// write took the place.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// As `torch.index_copy`.
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Self) -> Result<Self> {
        let parts = sliced("index_copy", self, dim, index, source)?;
        put_over("index_copy", parts.places, &parts.x, &parts.src)?.reshape(self.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_copy", |a| {
        let (dim, index) = (a.isize("dim")?, a.tensor("index")?);
        Ok(one(a.var("x")?.index_copy(dim, index, a.var("source")?)?))
    })
    .input("x", Kind::Any)
    .input("index", Kind::Index)
    .input("source", Kind::Any)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let wide = slices_as_elements(a)?;
        Ok(vec![naive_scatter(
            &wide,
            &a.dense("source")?,
            true,
            |_, new| new,
        )?])
    })
    .draw(draw_slices)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_04_of_two_writes_to_a_slice_the_last_stays_and_has_the_gradient() {
        let x = leaf(&[1.0_f64, 2.0, 3.0, 4.0], [2, 2]);
        let source = leaf(&[5.0_f64, 6.0, 7.0, 8.0], [2, 2]);
        let y = x.index_copy(0, &tensor(&[1_i64, 1], 2), &source).unwrap();
        assert_eq!(values(&y), [1.0, 2.0, 7.0, 8.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(of(&source), [0.0, 0.0, 1.0, 1.0]);
    }
}
