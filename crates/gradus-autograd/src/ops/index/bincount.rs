//! How often each small whole number occurs.

use gradus_tensor::{DType, Error, Tensor};

use crate::ops::support::{require_dtype, with_float};
use crate::registry::templates::plain;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Result, Var};

/// The numbers and how many places they need.
fn numbers(x: &Var, minlength: usize) -> Result<(Vec<i64>, usize)> {
    let op = "bincount";
    require_dtype(op, x.tensor(), &[DType::I64, DType::U8])?;
    if x.rank() != 1 {
        let got = *x.shape();
        return Err(Error::Rank {
            op,
            expected: 1,
            got,
        });
    }
    let all: Vec<i64> = x.tensor().to_dtype(DType::I64)?.to_vec()?;
    if let Some(position) = all.iter().position(|&i| i < 0) {
        return Err(Error::IndexOutOfRange {
            op,
            position,
            index: all[position],
            len: usize::MAX,
        });
    }
    let largest = all
        .iter()
        .copied()
        .max()
        .map_or(Some(0), |i| i.checked_add(1));
    let needed = largest.and_then(|n| usize::try_from(n).ok());
    let what = "number of bins";
    let needed = needed.ok_or(Error::Overflow { op, what })?;
    Ok((all, needed.max(minlength)))
}

impl Var {
    /// How often each whole number from 0 on occurs: an i64 tensor; with `weights`, the sum of the weights of the places where it
    /// does, of their dtype.
    ///
    /// # Shapes
    /// `self` (i64 or u8) and `weights` (f32 or f64) are `(N,)`. The result is as long as the largest number needs, or `minlength`.
    ///
    /// # Numerics
    /// Weights are added in order, in f64.
    ///
    /// # Errors
    /// [`Error::Rank`] if not a vector; [`Error::DType`]; [`Error::IndexOutOfRange`] with the first negative number;
    /// [`Error::Length`] if there are not as many weights; [`Error::Overflow`] or [`Error::OutOfMemory`] if a number is too large.
    ///
    /// As `torch.bincount`.
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        let (all, bins) = numbers(self, minlength)?;
        let Some(weights) = weights else {
            return Tensor::build([bins], |dst: &mut [i64]| {
                dst.fill(0);
                all.iter().for_each(|&i| dst[i as usize] += 1);
            });
        };
        with_float!(weights.dtype(), "bincount", T => weights.view::<T>().map(|_| ()))?;
        if *weights.shape() != [all.len()] {
            return Err(Error::Length {
                op: "bincount",
                expected: all.len(),
                got: weights.numel(),
            });
        }
        let each: Vec<f64> = weights.to_dtype(DType::F64)?.to_vec()?;
        let sums = Tensor::build([bins], |dst: &mut [f64]| {
            dst.fill(0.0);
            all.iter()
                .zip(each)
                .for_each(|(&i, weight)| dst[i as usize] += weight);
        })?;
        sums.to_dtype(weights.dtype())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("bincount", |a| {
        let (weights, minlength) = (a.opt_tensor("weights"), a.usize("minlength")?);
        Ok(plain(a.var("x")?.bincount(weights, minlength)?))
    })
    .input("x", Kind::Any)
    .optional("weights", Kind::Constant)
    .attr("minlength", AttrType::Int, 0)
    .not_differentiable()
    .reference(|a| {
        let x = a.dense("x")?.data;
        let weights = a
            .opt_dense("weights")?
            .map_or(vec![1.0; x.len()], |w| w.data);
        let needed = x.iter().fold(0, |n, &i| n.max(i as usize + 1));
        let bins = needed.max(a.usize("minlength")?);
        Ok(vec![Dense::from_fn(&[bins], |at| {
            let own = x.iter().zip(&weights).filter(|(i, _)| **i == at[0] as f64);
            own.map(|(_, weight)| weight).sum()
        })])
    })
    .draw(|d| {
        let dims = d.shape(1..=1, 0..=8);
        let minlength = d.pick(&[0, 3, 9]);
        let args = Args::new()
            .with("x", d.indices(&dims, 6)?)
            .attr("minlength", minlength);
        Ok(if d.flag() {
            args.with("weights", d.reals(&dims)?)
        } else {
            args
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_what_cannot_be_counted() {
        let got = constant(&[1_i64, -2], 2).bincount(None, 0);
        assert!(
            matches!(got, Err(Error::IndexOutOfRange { position: 1, .. })),
            "{got:?}"
        );
        let got = constant(&[i64::MAX], 1).bincount(None, 0);
        assert!(got.is_err());
        let got = constant(&[1_i64], [1, 1]).bincount(None, 0);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        let x = constant(&[1_i64], 1);
        let got = x.bincount(Some(&tensor(&[1.0_f64; 2], 2)), 0);
        assert!(matches!(got, Err(Error::Length { .. })), "{got:?}");
        let got = constant(&[1.0_f64], 1).bincount(None, 0);
        assert!(matches!(got, Err(Error::DType { .. })), "{got:?}");
    }
}
