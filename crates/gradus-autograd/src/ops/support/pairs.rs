//! Distances of pairs of vectors.

use gradus_tensor::{Error, Result};

use super::{is_positive, require, scalar_like};
use crate::Var;

/// `‖a - b + eps‖_p` over the last dim, broadcast. A distance of 0 has gradient 0.
pub(crate) fn distance(op: &'static str, a: &Var, b: &Var, p: f64, eps: f64) -> Result<Var> {
    norm(op, &a.sub(b)?.add_scalar(eps)?, p)
}

/// `‖x‖_p` over the last dim. A length of 0 has gradient 0.
pub(crate) fn norm(op: &'static str, x: &Var, p: f64) -> Result<Var> {
    if x.rank() == 0 {
        let (expected, got) = (1, *x.shape());
        return Err(Error::Rank { op, expected, got });
    }
    require(p >= 0.0, op, "p", "at least 0", p)?;
    let square = p == 2.0;
    let size = if square { x.square()? } else { x.abs()? };
    if p == 1.0 {
        return size.sum(&[-1], false);
    }
    if p == f64::INFINITY && size.dims().last() != Some(&0) {
        return size.amax(&[-1], false);
    }
    let zero = scalar_like(&size, 0.0)?;
    let some = is_positive(size.tensor())?;
    if p == 0.0 {
        // The number of differences; it has no slope.
        return zero
            .add_scalar(1.0)?
            .where_(&some, &zero)?
            .sum(&[-1], false);
    }
    let sum = if square {
        size.sum(&[-1], false)?
    } else {
        let one = scalar_like(&size, 1.0)?;
        let powers = size.where_(&some, &one)?.pow_scalar(p)?;
        powers.where_(&some, &zero)?.sum(&[-1], false)?
    };
    let there = is_positive(sum.tensor())?;
    let safe = sum.where_(&there, &scalar_like(&sum, 1.0)?)?;
    let root = if square {
        safe.sqrt()?
    } else {
        safe.pow_scalar(1.0 / p)?
    };
    root.where_(&there, &sum)
}
