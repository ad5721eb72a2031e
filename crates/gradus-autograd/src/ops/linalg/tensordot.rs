//! Sums of products over pairs of dims.

use gradus_tensor::{Error, Result};

use crate::Var;
use crate::ops::support::contract::{Label, Operand, contract};
use crate::ops::support::movement::axes;
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};

impl Var {
    /// The sum of products over dims `dims_self[i]` of `self` and `dims_other[i]` of `other`, for all the other dims.
    ///
    /// # Shapes
    /// Paired dims are equal, or one is 1; the result has the other dims of `self`, then those of `other`.
    ///
    /// # Numerics, gradient
    /// As [`Var::matmul`], which does the work.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or repeated; [`Error::Length`] if the lists differ in length; [`Error::ShapeMismatch`],
    /// [`Error::DTypeMismatch`], [`Error::DType`], [`Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let y = x.tensordot(&x, &[0], &[1])?; // xᵀ · xᵀ
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [7.0, 15.0, 10.0, 22.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.tensordot`.
    pub fn tensordot(
        &self,
        other: &Self,
        dims_self: &[isize],
        dims_other: &[isize],
    ) -> Result<Self> {
        let op = "tensordot";
        if dims_self.len() != dims_other.len() {
            return Err(Error::Length {
                op,
                expected: dims_self.len(),
                got: dims_other.len(),
            });
        }
        for (x, dims) in [(self, dims_self), (other, dims_other)] {
            for &dim in dims {
                x.shape().axis(op, dim)?;
            }
        }
        let own = axes(op, self.shape(), dims_self)?;
        let others = axes(op, other.shape(), dims_other)?;
        let first: Vec<Label> = (0..self.rank() as Label).collect();
        let mut second: Vec<Label> = (0..other.rank() as Label).map(|i| i + 64).collect();
        for (&i, &j) in own.iter().zip(&others) {
            second[j] = first[i];
        }
        let free = |label: &&Label| !(first.contains(label) && second.contains(label));
        let output: Vec<Label> = first.iter().chain(&second).filter(free).copied().collect();
        let operand = |x: &Self, labels: &[Label]| Operand {
            x: x.clone(),
            labels: labels.to_vec(),
        };
        let operands = vec![operand(self, &first), operand(other, &second)];
        contract(op, operands, &output)
    }
}

/// The paired dims of a call: `dims` is the number of last dims of `x` and first of `y`, unless both lists are given.
fn paired(a: &Args, rank: usize) -> Result<[Vec<isize>; 2]> {
    let given = (
        a.opt("dims_self", Args::isizes)?,
        a.opt("dims_other", Args::isizes)?,
    );
    if let (Some(x), Some(y)) = given {
        return Ok([x, y]);
    }
    let count = a.usize("dims")?;
    let first = rank.checked_sub(count).ok_or(Error::Length {
        op: "tensordot",
        expected: rank,
        got: count,
    })?;
    Ok([
        (first as isize..rank as isize).collect(),
        (0..count as isize).collect(),
    ])
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("tensordot", |a| {
        let x = a.var("x")?;
        let [own, others] = paired(a, x.rank())?;
        Ok(one(x.tensordot(a.var("y")?, &own, &others)?))
    })
    .small_only()
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("dims", AttrType::Int, 2)
    .attr("dims_self", AttrType::Ints, Attr::None)
    .attr("dims_other", AttrType::Ints, Attr::None)
    .reference(|a| {
        let (x, y) = (a.dense("x")?, a.dense("y")?);
        let [own, others] = paired(a, x.rank())?;
        let axes = |dims: Vec<isize>, rank: usize| -> Vec<usize> {
            let axis = |dim: isize| dim.rem_euclid(rank as isize) as usize;
            dims.into_iter().map(axis).collect()
        };
        let (own, others) = (axes(own, x.rank()), axes(others, y.rank()));
        let free = |rank: usize, named: &[usize]| -> Vec<usize> {
            (0..rank).filter(|axis| !named.contains(axis)).collect()
        };
        let (free_x, free_y) = (free(x.rank(), &own), free(y.rank(), &others));
        let sizes = free_x.iter().map(|&i| x.dims[i]);
        let dims: Vec<usize> = sizes.chain(free_y.iter().map(|&i| y.dims[i])).collect();
        let inner: Vec<usize> = own.iter().map(|&i| x.dims[i]).collect();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut sum = 0.0;
            crate::registry::dense::for_each_index(&inner, |within| {
                let (mut i, mut j) = (vec![0; x.rank()], vec![0; y.rank()]);
                let (first, second) = at.split_at(free_x.len());
                free_x.iter().zip(first).for_each(|(&axis, &v)| i[axis] = v);
                free_y
                    .iter()
                    .zip(second)
                    .for_each(|(&axis, &v)| j[axis] = v);
                own.iter().zip(within).for_each(|(&axis, &v)| i[axis] = v);
                others
                    .iter()
                    .zip(within)
                    .for_each(|(&axis, &v)| j[axis] = v);
                sum += x.at(&i) * y.at(&j);
            });
            sum
        })])
    })
    .draw(draw)
}

fn draw(d: &mut Draw) -> Result<Args> {
    let x = d.shape(0..=3, 1..=3);
    let count = d.range(0..=x.len());
    let more = d.range(0..=3 - count);
    let mut y: Vec<usize> = (0..count + more).map(|_| d.range(1..=3)).collect();
    if d.flag() {
        y[..count].copy_from_slice(&x[x.len() - count..]);
        let args = Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?);
        return Ok(args.attr("dims", count));
    }
    let (of_x, of_y) = (d.order(x.len()), d.order(y.len()));
    for i in 0..count {
        y[of_y[i]] = x[of_x[i]];
    }
    let mut signed = |axes: &[usize], rank: usize| -> Vec<i64> {
        let each = axes[..count].iter();
        each.map(|&axis| axis as i64 - if d.flag() { rank as i64 } else { 0 })
            .collect()
    };
    let (own, others) = (signed(&of_x, x.len()), signed(&of_y, y.len()));
    let args = Args::new().with("x", d.reals(&x)?).with("y", d.reals(&y)?);
    Ok(args.attr("dims_self", own).attr("dims_other", others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let dot = |a: &[isize], b: &[isize]| x.tensordot(&x, a, b);
        assert!(matches!(dot(&[0], &[1]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(dot(&[0], &[]), Err(Error::Length { .. })));
        assert!(matches!(dot(&[0, 0], &[0, 1]), Err(Error::Axis { .. })));
        assert!(matches!(dot(&[2], &[0]), Err(Error::Axis { .. })));
        assert!(dot(&[0, 1], &[0, 1]).is_ok());
    }
}
