//! Vars one below the other: along dim 0, vectors as rows.

use gradus_tensor::{Error, Result, Tensor};

use crate::Var;
use crate::registry::{Args, Dense, Kind, OpSpec, one};

impl Var {
    /// Vars one below the other: along dim 0, vectors as rows.
    ///
    /// # Shapes
    /// Alike but for dim 0; scalars and vectors are matrices of one row. Any dtype, all alike.
    ///
    /// # Gradient
    /// To each var its part of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] if there are no vars; those of [`Var::cat`].
    ///
    /// As `torch.vstack`.
    pub fn vstack(vars: &[&Self]) -> Result<Self> {
        if vars.is_empty() {
            return Err(Error::Length {
                op: "vstack",
                expected: 1,
                got: 0,
            });
        }
        let parts = vars
            .iter()
            .map(|x| match x.rank() {
                0 | 1 => x.reshape([1, x.numel()]),
                _ => Ok(Self::clone(x)),
            })
            .collect::<Result<Vec<Self>>>()?;
        let dim = 0;
        Self::cat(&parts.iter().collect::<Vec<_>>(), dim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("vstack", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::vstack(&vars)?))
    })
    .list("tensors", Kind::Any)
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let all = all.collect::<Result<Vec<Dense>>>()?;
        let all: Vec<Dense> = all
            .into_iter()
            .map(|x| match x.rank() {
                0 | 1 => {
                    let n = x.numel();
                    x.reshape(&[1, n])
                }
                _ => x,
            })
            .collect();
        let axis = 0;
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
