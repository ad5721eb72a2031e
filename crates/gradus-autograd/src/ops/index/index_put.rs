//! Elements and slices written to places named by several index tensors.

use gradus_tensor::Tensor;

use super::index::{draw_indices, indices_of, naive_places};
use crate::ops::support::place_ops::{add_over, put_over};
use crate::ops::support::places::Places;
use crate::registry::{AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `values` written to, or with `accumulate` added to, `self[indices[0][i], indices[1][i], …]`.
    ///
    /// # Shapes
    /// The i64 tensors of `indices` stand for the leading dims and are broadcast to one shape, which takes their place; negative
    /// indices count from the end. A bool tensor stands for as many dims as it has, and for the indices of its true elements.
    /// `values` are broadcast to what [`Var::index`] would pick.
    ///
    /// # Numerics
    /// Of several writes to one place the last in row-major order stays (PyTorch leaves it open); additions in that order. Any
    /// dtype; to accumulate f32 or f64.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 at the places written to unless accumulated. Of `values`: `grad_out` at its place, 0 where a later
    /// write took it.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if there are more indices than dims; [`crate::Error::ShapeMismatch`] if they do not broadcast, or a mask
    /// or the values do not fit; [`crate::Error::DType`] if an index is neither i64 nor bool; [`crate::Error::IndexOutOfRange`] with
    /// the first index that is outside.
    ///
    /// As `torch.index_put`.
    pub fn index_put(&self, indices: &[Tensor], values: &Self, accumulate: bool) -> Result<Self> {
        let places = Places::indexed("index_put", indices, self.shape())?;
        let src = values.expand(places.picked())?;
        let write = if accumulate { add_over } else { put_over };
        write("index_put", places, self, &src)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index_put", |a| {
        let (indices, values) = (indices_of(a)?, a.var("values")?);
        let accumulate = a.flag("accumulate")?;
        Ok(one(a.var("x")?.index_put(&indices, values, accumulate)?))
    })
    .input("x", Kind::Any)
    .list("indices", Kind::Any)
    .input("values", Kind::Any)
    .attr("accumulate", AttrType::Bool, false)
    .reference(|a| {
        let (mut x, values) = (a.dense("x")?, a.dense("values")?);
        let (dims, places) = naive_places(a, &x.dims)?;
        let wide = Dense::from_fn(&dims, |at| values.wide(at));
        for (place, new) in places.into_iter().zip(wide.data) {
            let old = x.data[place];
            x.data[place] = if a.flag("accumulate")? {
                old + new
            } else {
                new
            };
        }
        Ok(vec![x])
    })
    .small_only()
    .draw(|d| {
        let args = draw_indices(d)?;
        let (dims, _) = naive_places(&args, args.tensor("x")?.dims())?;
        let narrow = d.narrower(&dims);
        let values = d.reals(&narrow)?;
        Ok(args.with("values", values).attr("accumulate", d.flag()))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_04_of_two_writes_to_a_place_the_last_stays_and_has_the_gradient() {
        let (x, values_) = (leaf(&[1.0_f64, 2.0], 2), leaf(&[5.0_f64, 6.0], 2));
        let index = [tensor(&[1_i64, -1], 2)];
        let y = x.index_put(&index, &values_, false).unwrap();
        assert_eq!(values(&y), [1.0, 6.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [1.0, 0.0]);
        assert_eq!(of(&values_), [0.0, 1.0]);
        let y = x.index_put(&index, &values_, true).unwrap();
        assert_eq!(values(&y), [1.0, 13.0]);
    }

    #[test]
    fn museum_43_a_mask_over_the_first_dim_and_values_that_are_broadcast() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let mask = [tensor(&[false, true], 2)];
        let y = x.index_put(&mask, &constant(&[9.0_f64], 1), false).unwrap();
        assert_eq!(values(&y), [-2.3, -1.4, -0.6, 9.0, 9.0, 9.0]);
    }
}
