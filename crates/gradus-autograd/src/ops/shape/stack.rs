//! Vars joined along a new dim.

use gradus_tensor::{Error, Result, Tensor};

use crate::Var;
use crate::ops::support::same_shape;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

impl Var {
    /// Vars of one shape joined along a new dim, in order.
    ///
    /// # Shapes
    /// All alike; the result has a dim of their number at `dim`, in `-rank - 1..=rank`. Any dtype, all alike.
    ///
    /// # Gradient
    /// To each var its part of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] if there are no vars; [`Error::Axis`] if `dim` is outside; [`Error::ShapeMismatch`] or
    /// [`Error::DTypeMismatch`] with the first var that differs from the first.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// let y = Var::from(Tensor::from_slice(&[3.0_f32, 4.0], [2])?);
    /// assert_eq!(Var::stack(&[&x, &y], 1)?.tensor().to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.stack`.
    pub fn stack(vars: &[&Self], dim: isize) -> Result<Self> {
        let first = vars.first().ok_or(Error::Length {
            op: "stack",
            expected: 1,
            got: 0,
        })?;
        for var in vars {
            same_shape("stack", first.tensor(), var.tensor())?;
        }
        let parts = vars
            .iter()
            .map(|x| x.unsqueeze(dim))
            .collect::<Result<Vec<_>>>()?;
        Self::cat(&parts.iter().collect::<Vec<_>>(), dim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("stack", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::stack(&vars, a.isize("dim")?)?))
    })
    .list("tensors", Kind::Any)
    .attr("dim", AttrType::Int, 0)
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let all = all.collect::<Result<Vec<Dense>>>()?;
        let mut dims = all[0].dims.clone();
        let axis = a.isize("dim")?.rem_euclid(dims.len() as isize + 1) as usize;
        dims.insert(axis, all.len());
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at.to_vec();
            let which = own.remove(axis);
            all[which].at(&own)
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let dim = d.dim(dims.len() + 1);
        let count = d.range(1..=3);
        let parts = (0..count).map(|_| d.reals(&dims));
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Args::new().with("tensors", parts).attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn rejects_parts_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(Var::stack(&[], 0), Err(Error::Length { .. })));
        assert!(matches!(Var::stack(&[&x], 3), Err(Error::Axis { .. })));
        assert!(matches!(
            Var::stack(&[&x, &constant(&BOTH_SIGNS, [3, 2])], 0),
            Err(Error::ShapeMismatch { .. })
        ));
    }
}
