//! Copies of a tensor side by side.

use gradus_tensor::{Error, Result, Shape};

use crate::Var;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

/// `x`, whose rank is the number of counts, with each dim repeated.
pub(super) fn repeated(op: &'static str, x: &Var, counts: &[usize]) -> Result<Var> {
    let sizes = x.dims().iter().zip(counts);
    let dims = sizes.map(|(&size, &count)| size.checked_mul(count));
    let dims = dims
        .collect::<Option<Vec<usize>>>()
        .ok_or(Error::Overflow {
            op,
            what: "repeated dim",
        })?;
    Shape::new(&dims)?;
    let mut out = x.clone();
    // Dims are repeated from the last on, so that what is written before the last step is small.
    for axis in (0..counts.len()).rev().filter(|&axis| counts[axis] != 1) {
        let (before, rest) = out.dims().split_at(axis);
        let (outer, inner): (usize, usize) = (before.iter().product(), rest.iter().product());
        let shape = [before, &[rest[0] * counts[axis]], &rest[1..]].concat();
        let lines = out.reshape([outer, 1, inner])?;
        out = lines.expand([outer, counts[axis], inner])?.reshape(shape)?;
    }
    Ok(out)
}

impl Var {
    /// Copies side by side: `repeats[i]` along dim `i` of the result. New dims come in front.
    ///
    /// # Shapes
    /// At least as many repeats as dims; the last ones are those of the dims. 0 is fine. Any dtype.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the copies. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer repeats than dims; [`Error::RankTooHigh`]; [`Error::Overflow`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.repeat(&[2, 2])?.dims(), [2, 4]);
    /// assert_eq!(x.repeat(&[2])?.tensor().to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.repeat`.
    pub fn repeat(&self, repeats: &[usize]) -> Result<Self> {
        let new = repeats.len().checked_sub(self.rank());
        let new = new.ok_or(Error::Length {
            op: "repeat",
            expected: self.rank(),
            got: repeats.len(),
        })?;
        let x = self.reshape([&vec![1; new], self.dims()].concat())?;
        repeated("repeat", &x, repeats)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("repeat", |a| {
        Ok(one(a.var("x")?.repeat(&a.sizes("repeats")?)?))
    })
    .input("x", Kind::Any)
    .required("repeats", AttrType::Ints)
    .reference(|a| Ok(vec![reference(&a.dense("x")?, &a.sizes("repeats")?)]))
    .draw(|d| {
        let dims = d.any_shape();
        let new = d.below(2);
        let count = new + dims.len();
        let repeats: Vec<usize> = (0..count).map(|_| d.pick(&[2, 1, 3, 1, 0])).collect();
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("repeats", repeats.as_slice()))
    })
}

/// Each element is that at its index modulo the size of the dim.
pub(super) fn reference(x: &Dense, counts: &[usize]) -> Dense {
    let new = counts.len() - x.rank();
    let size = |axis: usize| axis.checked_sub(new).map_or(1, |own| x.dims[own]);
    let dims: Vec<usize> = (0..counts.len())
        .map(|axis| size(axis) * counts[axis])
        .collect();
    Dense::from_fn(&dims, |at| {
        let own: Vec<usize> = (new..at.len()).map(|axis| at[axis] % size(axis)).collect();
        x.at(&own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_46_repeated_no_times() {
        let x = leaf(&[1.0_f64, 2.0], 2);
        let y = x.repeat(&[0]).unwrap();
        assert_eq!(y.dims(), [0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(grad, [0.0, 0.0]);
    }

    #[test]
    fn museum_50_copies_sum_as_expansions_do() {
        let x = constant(&[0.1_f32], 1);
        let copies = x.repeat(&[1 << 20]).unwrap().sum(&[], false).unwrap();
        let views = x.expand([1 << 20]).unwrap().sum(&[], false).unwrap();
        let [copies, views] = [copies, views].map(|x| x.item::<f32>().unwrap());
        assert_eq!((copies, views), (104_857.6, 104_857.6));
    }

    #[test]
    fn rejects_repeats_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(x.repeat(&[2]), Err(Error::Length { .. })));
        assert!(matches!(
            x.repeat(&[usize::MAX, 1]),
            Err(Error::Overflow { .. })
        ));
        assert!(x.repeat(&[1 << 40, 1 << 40]).is_err());
        assert!(matches!(x.repeat(&[1; 9]), Err(Error::RankTooHigh { .. })));
    }
}
