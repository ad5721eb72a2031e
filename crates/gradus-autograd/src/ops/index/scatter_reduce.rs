//! Elements combined with those at places named by an index.

use gradus_tensor::Tensor;

use crate::ops::support::scatter_cases::{draw_scatter, naive_counts, naive_scatter, scattered};
use crate::ops::support::scatter_reduce::{ScatterReduce, scatter_reduce};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy in which `src` is combined with what stands at the places of `index`, or, without `include_self`, replaces it.
    ///
    /// # Shapes
    /// As [`Var::scatter`].
    ///
    /// # Numerics
    /// In row-major order of `index`; a mean is the sum divided by the number of elements, with what stood there if it takes
    /// part. NaN wins an extreme. f32 or f64.
    ///
    /// # Gradient
    /// That of the sum, product, mean or extreme of the elements at each place: products without a division, extremes shared in
    /// equal parts by equal elements. What is replaced has none.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// As `torch.scatter_reduce`.
    pub fn scatter_reduce(
        &self,
        dim: isize,
        index: &Tensor,
        src: &Self,
        reduce: ScatterReduce,
        include_self: bool,
    ) -> Result<Self> {
        let parts = scattered("scatter_reduce", self, dim, index, src)?;
        scatter_reduce("scatter_reduce", &parts, reduce, include_self)?.reshape(self.shape())
    }
}

/// What `reduce` may be.
pub(super) const WORDS: &[&str] = &["sum", "prod", "mean", "amax", "amin"];

/// The attribute `reduce`.
pub(super) fn reduce_of(a: &Args) -> Result<ScatterReduce> {
    use ScatterReduce::{Amax, Amin, Mean, Prod, Sum};
    Ok([Sum, Prod, Mean, Amax, Amin][a.choice("reduce", WORDS)?])
}

/// The naive result of a case whose source is `src`.
pub(super) fn reference(a: &Args, src: &Dense) -> Result<Vec<Dense>> {
    let include = a.flag("include_self")?;
    let combined = naive_scatter(
        a,
        src,
        include,
        match reduce_of(a)? {
            ScatterReduce::Sum | ScatterReduce::Mean => |old, new| old + new,
            ScatterReduce::Prod => |old, new| old * new,
            ScatterReduce::Amax => f64::max,
            ScatterReduce::Amin => f64::min,
        },
    )?;
    if reduce_of(a)? != ScatterReduce::Mean {
        return Ok(vec![combined]);
    }
    let counts = naive_counts(a)?.map(|n| (n + f64::from(include)).max(1.0));
    Ok(vec![combined.zip(&counts, |sum, n| sum / n)])
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("scatter_reduce", |a| {
        let (dim, index, src) = (a.isize("dim")?, a.tensor("index")?, a.var("src")?);
        let (reduce, include_self) = (reduce_of(a)?, a.flag("include_self")?);
        let out = a
            .var("x")?
            .scatter_reduce(dim, index, src, reduce, include_self)?;
        Ok(one(out))
    })
    .variety(3)
    .input("x", Kind::Float)
    .input("index", Kind::Index)
    .input("src", Kind::Float)
    .required("dim", AttrType::Int)
    .required("reduce", AttrType::Text)
    .attr("include_self", AttrType::Bool, true)
    .reference(|a| reference(a, &a.dense("src")?))
    .draw(|d| {
        let (reduce, include_self) = (d.pick(WORDS), !d.flag());
        Ok(draw_scatter(d)?
            .attr("reduce", reduce)
            .attr("include_self", include_self))
    })
}

#[cfg(test)]
mod tests {
    use super::ScatterReduce::{Amax, Amin, Mean, Prod};
    use crate::ops::support::testing::*;

    #[test]
    fn museum_19_equal_extremes_share_the_gradient() {
        for include in [true, false] {
            let (x, src) = (leaf(&[2.0_f64, 9.0], 2), leaf(&[2.0_f64, 2.0, 1.0], 3));
            let index = tensor(&[0_i64; 3], 3);
            let y = x.scatter_reduce(0, &index, &src, Amax, include).unwrap();
            assert_eq!(values(&y), [2.0, 9.0]);
            let grads = y.backward_with(&constant(&[6.0_f64, 1.0], 2)).unwrap();
            let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
            let share = if include { 2.0 } else { 3.0 };
            assert_eq!(of(&x), [if include { 2.0 } else { 0.0 }, 1.0]);
            assert_eq!(of(&src), [share, share, 0.0]);
        }
    }

    #[test]
    fn museum_21_zeros_among_the_factors() {
        let index = tensor(&[1_i64, 1, 0], 3);
        for (src, want) in [
            ([0.0, 3.0, 4.0], [3.0 * 5.0, 0.0, 2.0]),
            ([0.0, 0.0, 4.0], [0.0, 0.0, 2.0]),
        ] {
            let (x, src) = (leaf(&[2.0_f64, 5.0], 2), leaf(&src, 3));
            let y = x.scatter_reduce(0, &index, &src, Prod, true).unwrap();
            let grads = y.sum(&[], false).unwrap().backward().unwrap();
            assert_eq!(grads.get_var(&src).unwrap().to_vec::<f64>().unwrap(), want);
        }
    }

    #[test]
    fn museum_54_nan_wins_and_means_count_what_takes_part() {
        let x = constant(&[1.0_f64, 5.0], 2);
        let (index, src) = (tensor(&[0_i64, 0], 2), constant(&[3.0, f64::NAN], 2));
        for reduce in [Amax, Amin] {
            let y = values(&x.scatter_reduce(0, &index, &src, reduce, true).unwrap());
            assert!(y[0].is_nan() && y[1] == 5.0);
        }
        let src = constant(&[3.0_f64, 5.0], 2);
        let mean = |include| values(&x.scatter_reduce(0, &index, &src, Mean, include).unwrap());
        assert_eq!((mean(true), mean(false)), (vec![3.0, 5.0], vec![4.0, 5.0]));
    }
}
