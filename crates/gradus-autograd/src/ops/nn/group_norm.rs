//! Normalisation of groups of channels.

use gradus_tensor::{Error, Result, Shape};

use crate::Var;
use crate::ops::support::affine::require_params;
use crate::ops::support::normalized::{draw_channels, groups_reference, scale_and_shift};
use crate::ops::support::require;
use crate::registry::{AttrType, Kind, OpSpec, one};

const NAME: &str = "group_norm";

impl Var {
    /// Group normalisation: `(self - mean) / √(var + eps) · weight + bias`, with mean and biased variance of each group of channels
    /// of each sample.
    ///
    /// # Shapes
    /// `self` is `(N, C, …)`, `C` a multiple of `num_groups`; `weight` and `bias` are `(C,)`, 1 and 0 if absent.
    ///
    /// # Numerics
    /// As [`Var::layer_norm`]: moments in f64 around the first value of each group.
    ///
    /// # Gradient
    /// That of [`Var::layer_norm`] within each group; any number of times.
    ///
    /// # Errors
    /// [`Error::Rank`] below 2; [`Error::Argument`] if `num_groups` does not divide the channels, there is but one value a group in all,
    /// or `eps` is negative; [`Error::ShapeMismatch`]; [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.group_norm`. Wu and He 2018, arXiv:1803.08494.
    pub fn group_norm(
        &self,
        num_groups: usize,
        weight: Option<&Self>,
        bias: Option<&Self>,
        eps: f64,
    ) -> Result<Self> {
        let [n, c, ref rest @ ..] = *self.dims() else {
            return Err(Error::Rank {
                op: NAME,
                expected: 2,
                got: *self.shape(),
            });
        };
        let divides = num_groups > 0 && c.is_multiple_of(num_groups);
        let expected = "a divisor of the number of channels";
        require(divides, NAME, "num_groups", expected, num_groups as f64)?;
        let size = c / num_groups * rest.iter().product::<usize>();
        let expected = "more than one value in each";
        require(n * size != 1, NAME, "elements of a group", expected, 1.0)?;
        let given: Vec<_> = [weight, bias]
            .into_iter()
            .flatten()
            .map(Self::tensor)
            .collect();
        require_params(NAME, self.tensor(), &Shape::new(&[c])?, &given)?;
        let groups = n.checked_mul(num_groups).ok_or(Error::Overflow {
            op: NAME,
            what: "number of groups",
        })?;
        let normal = self
            .reshape([groups, size])?
            .layer_norm(&[size], None, None, eps)?;
        scale_and_shift(normal.reshape(self.shape())?, weight, bias)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let (weight, bias) = (a.opt_var("weight"), a.opt_var("bias"));
        let groups = a.usize("num_groups")?;
        let y = a
            .var("x")?
            .group_norm(groups, weight, bias, a.float("eps")?)?;
        Ok(one(y))
    })
    .input("x", Kind::Float)
    .optional("weight", Kind::Float)
    .optional("bias", Kind::Float)
    .required("num_groups", AttrType::Int)
    .attr("eps", AttrType::Float, 1e-5)
    .reference(|a| {
        let x = a.dense("x")?;
        let groups = a.usize("num_groups")?;
        let size = (x.dims[1] / groups).max(1);
        groups_reference(a, |at| at[0] * groups + at[1] / size)
    })
    .draw(|d| {
        let mut dims = d.shape(2..=4, 1..=4);
        let groups: usize = d.pick(&[1, 2, 3]);
        let groups = groups.min(dims[1].max(1));
        if dims[1] < 1000 {
            dims[1] = dims[1] / groups * groups;
        }
        let groups = if dims[1].is_multiple_of(groups) {
            groups
        } else {
            1
        };
        if dims[0] * dims[1] / groups * dims[2..].iter().product::<usize>() == 1 {
            dims[0] = 2;
        }
        Ok(draw_channels(d, &dims)?.attr("num_groups", groups))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn museum_52_a_large_mean_does_not_hide_the_variance() {
        let noise = sampled(&[2, 4, 64], 1).to_vec::<f64>().unwrap();
        let far: Vec<f32> = noise.iter().map(|x| (x + 4096.0) as f32).collect();
        let near: Vec<f64> = far.iter().map(|&x| f64::from(x) - 4096.0).collect();
        let norm = |x: Var| values(&x.group_norm(2, None, None, 1e-5).unwrap());
        let (got, want) = (
            norm(constant(&far, [2, 4, 64])),
            norm(constant(&near, [2, 4, 64])),
        );
        gradus_testing::check_close("norm of far values", &got, &want, 1e-3, 1e-3);
    }

    #[test]
    fn rejects_what_has_no_groups() {
        let x = Var::constant(sampled(&[2, 4, 3], 1));
        for (groups, eps) in [(0, 0.1), (3, 0.1), (2, -1.0), (2, f64::NAN)] {
            let got = x.group_norm(groups, None, None, eps);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = x.group_norm(2, Some(&Var::constant(sampled(&[3], 1))), None, 0.1);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let one = Var::constant(sampled(&[1, 2], 1)).group_norm(2, None, None, 0.1);
        assert!(matches!(one, Err(Error::Argument { .. })), "{one:?}");
    }
}
