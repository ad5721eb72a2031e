//! Between which boundaries elements lie.

use gradus_tensor::{Error, Tensor};

use super::searchsorted::naive;
use crate::registry::templates::plain;
use crate::registry::{Args, AttrType, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// For each element the number of `boundaries`, which are sorted, below it (or, if `right`, not above it): an i64 tensor.
    ///
    /// # Shapes
    /// `boundaries` is `(N,)`; the result has the shape of `self`.
    ///
    /// # Errors
    /// [`Error::Rank`] if `boundaries` is no vector; [`Error::DTypeMismatch`] if it is of another dtype.
    ///
    /// As `torch.bucketize`.
    pub fn bucketize(&self, boundaries: &Self, right: bool) -> Result<Tensor> {
        if boundaries.rank() != 1 {
            return Err(Error::Rank {
                op: "bucketize",
                expected: 1,
                got: *boundaries.shape(),
            });
        }
        boundaries.searchsorted(self, right, None)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("bucketize", |a| {
        let (x, boundaries) = (a.var("x")?, a.var("boundaries")?);
        Ok(plain(x.bucketize(boundaries, a.flag("right")?)?))
    })
    .input("x", Kind::Any)
    .input("boundaries", Kind::Any)
    .attr("right", AttrType::Bool, false)
    .not_differentiable()
    .reference(|a| {
        let (boundaries, right) = (a.dense("boundaries")?.data, a.flag("right")?);
        let place = |x| naive(boundaries.iter().copied(), x, right);
        Ok(vec![a.dense("x")?.map(place)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let (count, right) = (d.range(0..=4), d.flag());
        let boundaries: Vec<f64> = (0..count).map(|i| f64::from(i as u8) - 1.5).collect();
        let x: Vec<f64> = d.reals(&dims)?.to_vec()?;
        let x: Vec<f64> = x.iter().map(|x| (2.0 * x).round() / 2.0).collect();
        Ok(Args::new()
            .with("x", Tensor::from_slice(&x, &dims[..])?)
            .with("boundaries", Tensor::from_slice(&boundaries, count)?)
            .attr("right", right))
    })
}
