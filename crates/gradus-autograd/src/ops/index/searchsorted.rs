//! Where values would stand in sorted rows.

use gradus_linalg::sort;
use gradus_tensor::{DType, Error, Tensor};

use crate::ops::support::order::keys_along;
use crate::ops::support::places::refuse_outside;
use crate::ops::support::{require_dtype, same_dtype};
use crate::registry::templates::plain;
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// For each value the number of elements of its row of `self`, which is sorted, that come before it: an i64 tensor.
    ///
    /// # Shapes
    /// `self` is one row, `(N,)`, for all values, or has the dims of `values` but for the last. `sorter` (i64), if given, is of the
    /// shape of `self`, which then is not sorted: it is what [`Var::argsort`] gives.
    ///
    /// # Numerics
    /// Equal elements come before a value if `right`, else not. NaN ranks above all numbers. Any dtype.
    ///
    /// # Errors
    /// [`Error::Rank`] if `self` is of rank 0; [`Error::ShapeMismatch`] if the shapes do not fit; [`Error::DTypeMismatch`] if `values`
    /// are of another dtype; [`Error::DType`] or [`Error::IndexOutOfRange`] for a `sorter` that is none.
    ///
    /// As `torch.searchsorted`.
    pub fn searchsorted(
        &self,
        values: &Self,
        right: bool,
        sorter: Option<&Tensor>,
    ) -> Result<Tensor> {
        same_dtype("searchsorted", self.tensor(), values.tensor())?;
        let rank = self.rank();
        if rank == 0 {
            return Err(Error::Rank {
                op: "searchsorted",
                expected: 1,
                got: *self.shape(),
            });
        }
        let rows = &self.dims()[..rank - 1];
        let fits = rank == 1 || values.rank() == rank && values.dims()[..rank - 1] == *rows;
        let mismatch = |rhs, rule| Error::ShapeMismatch {
            op: "searchsorted",
            lhs: *self.shape(),
            rhs,
            rule,
        };
        if !fits {
            let rule =
                "the sorted rows, left, are one, or have the dims of the values but for the last";
            return Err(mismatch(*values.shape(), rule));
        }
        let sorted = keys_along(self.tensor(), rank - 1)?;
        let order = sorter.map(Tensor::contiguous).transpose()?;
        if let Some(order) = &order {
            require_dtype("searchsorted", order, &[DType::I64])?;
            if order.shape() != self.shape() {
                return Err(mismatch(
                    *order.shape(),
                    "the sorter has the shape of what it sorts",
                ));
            }
            refuse_outside("searchsorted", order.as_slice::<i64>()?, sorted.cols)?;
        }
        let flat = values.tensor().reshape([values.numel()])?;
        let wanted = keys_along(&flat, 0)?;
        let per_row = values.dims().last().copied().unwrap_or(1);
        let (from, wanted) = (
            sorted.keys.as_slice::<i64>()?,
            wanted.keys.as_slice::<i64>()?,
        );
        let order = order.as_ref().map(Tensor::as_slice::<i64>).transpose()?;
        Tensor::build(values.shape(), |dst: &mut [i64]| {
            sort::searchsorted(dst, from, order, wanted, sorted.cols, per_row, right);
        })
    }
}

/// How many of a few elements come before a value.
pub(super) fn naive(row: impl Iterator<Item = f64>, value: f64, right: bool) -> f64 {
    let before = |x: f64| {
        let smaller = x < value || value.is_nan() && !x.is_nan();
        smaller || right && (x == value || x.is_nan() && value.is_nan())
    };
    row.filter(|&x| before(x)).count() as f64
}

fn call(a: &Args) -> Result<Vec<Var>> {
    let side = a.opt("side", |a, name| a.choice(name, &["left", "right"]))?;
    let right = side.map_or(a.flag("right")?, |side| side == 1);
    let (x, values) = (a.var("x")?, a.var("input")?);
    Ok(plain(x.searchsorted(
        values,
        right,
        a.opt_tensor("sorter"),
    )?))
}

fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let last = dims.len() - 1;
    let grid = |d: &mut Draw, dims: &[usize]| -> Result<Dense> {
        Ok(Dense::of(&d.reals(dims)?)?.map(|x| (2.0 * x).round()))
    };
    let x = grid(d, &dims)?;
    let sorted = x.along(last, |row| {
        let mut row = row.to_vec();
        row.sort_by(f64::total_cmp);
        row
    });
    let mut wanted = if last == 0 {
        d.any_shape()
    } else {
        dims.clone()
    };
    if last > 0 {
        wanted[last] = d.range(0..=5);
    }
    let values = grid(d, &wanted)?;
    let tensor = |x: &Dense| Tensor::from_slice(&x.data, &x.dims[..]);
    let args = Args::new().with("input", tensor(&values)?);
    let args = match d.below(3) {
        0 => args.attr("right", true),
        1 => args.attr("side", d.pick(&["left", "right"])),
        _ => args,
    };
    if d.below(3) > 0 {
        return Ok(args.with("x", tensor(&sorted)?));
    }
    let x = Var::constant(tensor(&x)?);
    let sorter = x.argsort(-1, false)?;
    Ok(args.with("x", x).with("sorter", sorter))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("searchsorted", call)
        .input("x", Kind::Any)
        .input("input", Kind::Any)
        .optional("sorter", Kind::Index)
        .attr("right", AttrType::Bool, false)
        .attr("side", AttrType::Text, Attr::None)
        .not_differentiable()
        .reference(|a| {
            let (x, values) = (a.dense("x")?, a.dense("input")?);
            let side = a.opt("side", |a, name| a.text(name).map(|side| side == "right"))?;
            let right = side.unwrap_or(a.flag("right")?);
            Ok(vec![Dense::from_fn(&values.dims, |at| {
                let row = (0..x.dims[x.rank() - 1]).map(|i| match x.rank() {
                    1 => x.at(&[i]),
                    rank => x.at(&[&at[..rank - 1], &[i]].concat()),
                });
                naive(row, values.at(at), right)
            })])
        })
        .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_nan_and_infinity_have_their_place() {
        let sorted = constant(&[1.0, 2.0, f64::INFINITY, f64::NAN], 4);
        let values = constant(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0], [2, 2]);
        let at = |right| {
            sorted
                .searchsorted(&values, right, None)
                .unwrap()
                .to_vec::<i64>()
                .unwrap()
        };
        assert_eq!((at(false), at(true)), (vec![3, 2, 0, 1], vec![4, 3, 0, 2]));
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let (x, number) = (constant(&BOTH_SIGNS, [2, 3]), constant(&[1.0_f64], ()));
        let got = x.searchsorted(&number, false, None);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = number.searchsorted(&number, false, None);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        let got = x.searchsorted(&integers(), false, None);
        assert!(matches!(got, Err(Error::DTypeMismatch { .. })), "{got:?}");
        let bad = tensor(&[0_i64, 1, 3, 0, 1, 2], [2, 3]);
        let got = x.searchsorted(&x, false, Some(&bad));
        assert!(
            matches!(got, Err(Error::IndexOutOfRange { position: 2, .. })),
            "{got:?}"
        );
    }
}
