//! Elements written to places named by an index.

use gradus_tensor::{Error, Tensor};

use crate::ops::support::lanes::{as_lanes, at_least_vector};
use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::Places;
use crate::ops::support::scalar_like;
use crate::ops::support::scatter_cases::{draw_scatter, naive_scatter, scattered};
use crate::ops::support::scatter_reduce::{ScatterReduce, scatter_reduce};
use crate::registry::{Args, Attr, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with `src` written to the places of `index`: `out[i, index[i, j, …], …] = src[i, j, …]` for `dim = 1`.
    ///
    /// # Shapes
    /// `index` (i64) has the rank of `self`, and dims no larger but for `dim`; `src` is no smaller than `index`, what it has
    /// more is left out. The result has the shape of `self`.
    ///
    /// # Numerics
    /// Exact. Of several writes to one place the last in row-major order of `index` stays (PyTorch leaves it open). Any dtype.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 at the places written to. Of `src`: `grad_out` at its place, 0 if a later write took it.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if index or source do not fit;
    /// [`crate::Error::DType`] if the index is not i64; [`crate::Error::DTypeMismatch`] if the source is of another dtype;
    /// [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::zeros([3], gradus_autograd::DType::F32)?);
    /// let src = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = x.scatter(0, &Tensor::from_slice(&[2_i64, 0], [2])?, &src)?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [2.0, 0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.scatter`.
    pub fn scatter(&self, dim: isize, index: &Tensor, src: &Self) -> Result<Self> {
        let parts = scattered("scatter", self, dim, index, src)?;
        put_over("scatter", parts.places, &parts.x, &parts.src)?.reshape(self.shape())
    }

    /// [`Var::scatter`] of one number, f32 or f64.
    ///
    /// # Errors
    /// As [`Var::scatter`]; [`Error::DType`] if not f32 or f64.
    ///
    /// As `torch.scatter` with `value`.
    pub fn scatter_value(&self, dim: isize, index: &Tensor, value: f64) -> Result<Self> {
        let (x, axis) = as_lanes("scatter", self, dim)?;
        let places = Places::along("scatter", axis, &at_least_vector(index)?, x.shape())?;
        let src = scalar_like(&x, value)?.expand(places.picked())?;
        put_over("scatter", places, &x, &src)?.reshape(self.shape())
    }
}

/// What `reduce` may be.
const REDUCE: &[&str] = &["add", "multiply"];

fn call(a: &Args) -> Result<Vec<Var>> {
    let (x, dim, index) = (a.var("x")?, a.isize("dim")?, a.tensor("index")?);
    let value = a.opt("value", |a, name| a.float(name))?;
    let src = match (a.opt_var("src"), value) {
        (Some(src), None) => src.clone(),
        (None, Some(value)) => scalar_like(x, value)?.expand(index.shape())?,
        _ => {
            return Err(Error::Call {
                op: "scatter",
                name: "src".to_owned(),
                expected: "either src or value must be given".to_owned(),
            });
        }
    };
    let reduce = match a.opt("reduce", |a, name| a.choice(name, REDUCE))? {
        None => return Ok(one(x.scatter(dim, index, &src)?)),
        Some(0) => ScatterReduce::Sum,
        Some(_) => ScatterReduce::Prod,
    };
    let parts = scattered("scatter", x, dim, index, &src)?;
    let out = scatter_reduce("scatter", &parts, reduce, true)?;
    Ok(one(out.reshape(x.shape())?))
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let src = match a.opt_dense("src")? {
        Some(src) => src,
        None => {
            let value = a.float("value")?;
            a.dense("index")?.map(|_| value)
        }
    };
    let combine = match a.opt("reduce", |a, name| a.choice(name, REDUCE))? {
        None => |_, new| new,
        Some(0) => |old, new| old + new,
        Some(_) => |old, new| old * new,
    };
    Ok(vec![naive_scatter(a, &src, true, combine)?])
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("scatter", call)
        .variety(3)
        .input("x", Kind::Any)
        .input("index", Kind::Index)
        .optional("src", Kind::Any)
        .required("dim", AttrType::Int)
        .attr("value", AttrType::Float, Attr::None)
        .attr("reduce", AttrType::Text, Attr::None)
        .reference(reference)
        .draw(|d| {
            let args = draw_scatter(d)?;
            let args = match d.below(4) {
                2 => args.attr("reduce", "add"),
                3 => args.attr("reduce", "multiply"),
                _ => args,
            };
            if d.below(3) > 0 {
                return Ok(args);
            }
            let without = Args::new()
                .with("x", args.tensor("x")?.clone())
                .with("index", args.tensor("index")?.clone());
            let attrs = args
                .attrs()
                .map(|(name, value)| (name.to_owned(), value.clone()));
            let without = attrs.fold(without, |without, (name, value)| without.attr(&name, value));
            Ok(without.attr("value", 1.5))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_04_of_two_writes_to_a_place_the_last_stays_and_has_the_gradient() {
        let x = leaf(&[1.0_f64, 2.0, 3.0], 3);
        let src = leaf(&[10.0_f64, 20.0, 30.0], 3);
        let y = x.scatter(0, &tensor(&[1_i64, 2, 1], 3), &src).unwrap();
        assert_eq!(values(&y), [1.0, 30.0, 20.0]);
        let grads = y.backward_with(&constant(&[1.0_f64, 2.0, 3.0], 3)).unwrap();
        let of = |x| grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(&x), [1.0, 0.0, 0.0]);
        assert_eq!(of(&src), [0.0, 3.0, 2.0]);
    }

    #[test]
    fn museum_05_an_index_smaller_than_the_tensor_in_every_dim() {
        let x = leaf(&[0.0_f64; 12], [3, 4]);
        let src = leaf(&[1.0_f64, 2.0, 3.0, 4.0], [2, 2]);
        let index = tensor(&[2_i64, 0, 0, 2], [2, 2]);
        let y = x.scatter(0, &index, &src).unwrap();
        let want = [3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 0.0, 0.0];
        assert_eq!(values(&y), want);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&src).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [1.0; 4]);
    }

    #[test]
    fn museum_41_a_transposed_source_is_read_as_it_is_seen() {
        let src = constant(&[1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])
            .transpose(0, 1)
            .unwrap();
        let index = tensor(&[0_i64; 6], [3, 2]);
        let y = constant(&[0.0_f64; 2], [1, 2])
            .scatter(0, &index, &src)
            .unwrap();
        assert_eq!(values(&y), [3.0, 6.0]);
    }

    #[test]
    fn museum_40_strided_indices_are_read_as_they_are_seen() {
        let index = tensor(&[0_i64, 9, 2, 9, 1, 9], [3, 2])
            .select(1, 0)
            .unwrap();
        let y = constant(&[0.0_f64; 3], 3)
            .scatter(0, &index, &constant(&[1.0_f64, 2.0, 3.0], 3))
            .unwrap();
        assert_eq!(values(&y), [1.0, 3.0, 2.0]);
    }

    #[test]
    fn museum_42_writing_an_expanded_tensor_acts_on_a_copy() {
        let x = constant(&[1.0_f64], 1).expand([3]).unwrap();
        let y = x.scatter_value(0, &tensor(&[1_i64], 1), 7.0).unwrap();
        assert_eq!(values(&y), [1.0, 7.0, 1.0]);
        assert_eq!(values(&x), [1.0; 3]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let (x, src) = (constant(&BOTH_SIGNS, [2, 3]), constant(&BOTH_SIGNS, [2, 3]));
        let index = |values: &[i64], dims: [usize; 2]| tensor(values, dims);
        let got = x.scatter(1, &index(&[0, 3], [1, 2]), &src).unwrap_err();
        let want = Error::IndexOutOfRange {
            op: "scatter",
            position: 1,
            index: 3,
            len: 3,
        };
        assert_eq!(got, want);
        let got = x.scatter(1, &index(&[0; 3], [3, 1]), &src);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.scatter(0, &index(&[0; 9], [3, 3]), &src);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let single = constant(&[1.0_f32], [1, 1]);
        let got = x.scatter(0, &index(&[0], [1, 1]), &single);
        assert!(matches!(got, Err(Error::DTypeMismatch { .. })), "{got:?}");
        let got = x.scatter(2, &index(&[0], [1, 1]), &src);
        assert!(matches!(got, Err(Error::Axis { .. })), "{got:?}");
    }
}
