//! Vars one behind the other: along dim 2, matrices as images of one channel at the end.

use gradus_tensor::{Error, Result, Tensor};

use crate::Var;
use crate::registry::{Args, Dense, Kind, OpSpec, one};

impl Var {
    /// Vars one behind the other: along dim 2, matrices as images of one channel at the end.
    ///
    /// # Shapes
    /// Alike but for dim 2; vectors are one row, matrices get a last dim of size 1. Any dtype, all alike.
    ///
    /// # Gradient
    /// To each var its part of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] if there are no vars; those of [`Var::cat`].
    ///
    /// As `torch.dstack`.
    pub fn dstack(vars: &[&Self]) -> Result<Self> {
        if vars.is_empty() {
            return Err(Error::Length {
                op: "dstack",
                expected: 1,
                got: 0,
            });
        }
        let parts = vars
            .iter()
            .map(|x| match *x.dims() {
                [] => x.reshape([1, 1, 1]),
                [n] => x.reshape([1, n, 1]),
                [m, n] => x.reshape([m, n, 1]),
                _ => Ok(Self::clone(x)),
            })
            .collect::<Result<Vec<Self>>>()?;
        let dim = 2;
        Self::cat(&parts.iter().collect::<Vec<_>>(), dim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("dstack", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::dstack(&vars)?))
    })
    .list("tensors", Kind::Any)
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let all = all.collect::<Result<Vec<Dense>>>()?;
        let all: Vec<Dense> = all
            .into_iter()
            .map(|x| match *x.dims {
                [] => x.reshape(&[1, 1, 1]),
                [n] => x.reshape(&[1, n, 1]),
                [m, n] => x.reshape(&[m, n, 1]),
                _ => x,
            })
            .collect();
        let axis = 2;
        let mut dims = all[0].dims.clone();
        dims[axis] = all.iter().map(|x| x.dims[axis]).sum();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at.to_vec();
            let mut part = 0;
            while own[axis] >= all[part].dims[axis] {
                own[axis] -= all[part].dims[axis];
                part += 1;
            }
            all[part].at(&own)
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let count = d.range(1..=3);
        let parts = (0..count).map(|_| d.reals(&dims));
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Args::new().with("tensors", parts))
    })
}
