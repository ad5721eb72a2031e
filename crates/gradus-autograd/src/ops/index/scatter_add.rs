//! Elements added to places named by an index.

use gradus_tensor::Tensor;

use crate::ops::support::place_ops::add_over;
use crate::ops::support::scatter_cases::{draw_scatter, naive_scatter, scattered};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `src` added to the places of `index`: `out[i, index[i, j, …], …] += src[i, j, …]` for `dim = 1`.
    ///
    /// # Shapes
    /// As [`Var::scatter`].
    ///
    /// # Numerics
    /// Added in row-major order of `index`, for any number of threads. f32 or f64.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`. Of `src`: `grad_out` at its place.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// As `torch.scatter_add`.
    pub fn scatter_add(&self, dim: isize, index: &Tensor, src: &Self) -> Result<Self> {
        let parts = scattered("scatter_add", self, dim, index, src)?;
        add_over("scatter_add", parts.places, &parts.x, &parts.src)?.reshape(self.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("scatter_add", |a| {
        let (dim, index) = (a.isize("dim")?, a.tensor("index")?);
        Ok(one(a.var("x")?.scatter_add(dim, index, a.var("src")?)?))
    })
    .input("x", Kind::Float)
    .input("index", Kind::Index)
    .input("src", Kind::Float)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let src = a.dense("src")?;
        Ok(vec![naive_scatter(a, &src, true, |old, new| old + new)?])
    })
    .draw(draw_scatter)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_03_all_that_is_added_to_a_place_counts() {
        let x = leaf(&[1.0_f64, 2.0], 2);
        let src = leaf(&[10.0_f64, 20.0, 30.0], 3);
        let y = x.scatter_add(0, &tensor(&[1_i64, 0, 1], 3), &src).unwrap();
        assert_eq!(values(&y), [21.0, 42.0]);
        let grads = y.backward_with(&constant(&[5.0_f64, 7.0], 2)).unwrap();
        let got = grads.get_var(&src).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [7.0, 5.0, 7.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.scatter_add(0, &tensor(&[-1_i64], [1, 1]), &x);
        assert!(
            matches!(got, Err(Error::IndexOutOfRange { position: 0, .. })),
            "{got:?}"
        );
        let whole = integers();
        let index = tensor(&[0_i64], 1);
        assert!(whole.scatter_add(0, &index, &whole).is_err());
    }
}
