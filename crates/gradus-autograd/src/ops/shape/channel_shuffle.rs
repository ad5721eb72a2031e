//! The channels of groups taken in turn.

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

impl Var {
    /// The channels in another order: the first of each group, then the second of each, and so on.
    ///
    /// # Shapes
    /// `(N, C, …)` of rank 3 or more with C a multiple of `groups`; the result has the same. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` moved back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] below rank 3; [`Error::Argument`] if `groups` is 0 or no divisor of C.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 4.0, 1.0)?).reshape([1, 4, 1])?;
    /// assert_eq!(x.channel_shuffle(2)?.tensor().to_vec::<f32>()?, [0.0, 2.0, 1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.channel_shuffle`; ShuffleNet, Zhang et al. 2017, arXiv:1707.01083.
    pub fn channel_shuffle(&self, groups: usize) -> Result<Self> {
        let &[n, c, ref rest @ ..] = self.dims() else {
            return self.no_image();
        };
        if rest.is_empty() {
            return self.no_image();
        }
        if groups == 0 || c % groups != 0 {
            return Err(Error::Argument {
                op: "channel_shuffle",
                name: "groups",
                expected: "at least 1, and a divisor of the channels",
                got: groups as f64,
            });
        }
        let pixels: usize = rest.iter().product();
        let grouped = self.reshape([n, groups, c / groups, pixels])?;
        grouped.transpose(1, 2)?.reshape(self.shape())
    }

    fn no_image(&self) -> Result<Self> {
        Err(Error::Rank {
            op: "channel_shuffle",
            expected: 3,
            got: *self.shape(),
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("channel_shuffle", |a| {
        Ok(one(a.var("x")?.channel_shuffle(a.usize("groups")?)?))
    })
    .input("x", Kind::Any)
    .required("groups", AttrType::Int)
    .reference(|a| {
        let (x, groups) = (a.dense("x")?, a.usize("groups")?);
        Ok(vec![Dense::from_fn(&x.dims, |at| {
            let mut own = at.to_vec();
            own[1] = at[1] % groups * (x.dims[1] / groups) + at[1] / groups;
            x.at(&own)
        })])
    })
    .draw(|d| {
        let mut dims = d.shape(3..=4, 1..=3);
        let groups = d.range(1..=3);
        dims[1] *= groups;
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("groups", groups))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_groups_that_do_not_divide() {
        let x = constant(&BOTH_SIGNS, [1, 3, 2]);
        for groups in [0, 2] {
            let got = x.channel_shuffle(groups);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = constant(&BOTH_SIGNS, [2, 3]).channel_shuffle(1);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
