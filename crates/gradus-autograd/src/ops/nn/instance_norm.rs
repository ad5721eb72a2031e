//! Normalisation of each channel of each sample.

use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::Var;
use crate::ops::support::affine::require_params;
use crate::ops::support::normalized::{draw_channels, groups_reference, scale_and_shift};
use crate::ops::support::require;
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, Values, one};

const NAME: &str = "instance_norm";

impl Var {
    /// Instance normalisation: `(self - mean) / √(var + eps) · weight + bias`, with mean and biased variance of each channel of each
    /// sample.
    ///
    /// # Shapes
    /// `self` is `(N, C, …)`; `weight` and `bias` are `(C,)`, 1 and 0 if absent.
    ///
    /// # Numerics
    /// As [`Var::layer_norm`]: moments in f64 around the first value of each channel.
    ///
    /// # Gradient
    /// That of [`Var::layer_norm`] within each channel; any number of times.
    ///
    /// # Errors
    /// [`Error::Rank`] below 2; [`Error::Argument`] if a channel has a single value, or `eps` is negative; [`Error::ShapeMismatch`];
    /// [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.instance_norm`; [`Var::batch_norm_eval`] is that with given statistics. Ulyanov et al. 2016,
    /// arXiv:1607.08022.
    pub fn instance_norm(
        &self,
        weight: Option<&Self>,
        bias: Option<&Self>,
        eps: f64,
    ) -> Result<Self> {
        let [n, c, ref rest @ ..] = *self.dims() else {
            return Err(Error::Rank {
                op: NAME,
                expected: 3,
                got: *self.shape(),
            });
        };
        let size: usize = rest.iter().product();
        let expected = "more than one value in each";
        require(size != 1, NAME, "elements of a channel", expected, 1.0)?;
        let given: Vec<_> = [weight, bias]
            .into_iter()
            .flatten()
            .map(Self::tensor)
            .collect();
        require_params(NAME, self.tensor(), &Shape::new(&[c])?, &given)?;
        let channels = n.checked_mul(c).ok_or(Error::Overflow {
            op: NAME,
            what: "number of channels",
        })?;
        let normal = self
            .reshape([channels, size])?
            .layer_norm(&[size], None, None, eps)?;
        scale_and_shift(normal.reshape(self.shape())?, weight, bias)
    }
}

/// Its registration: the running statistics are read without `use_input_stats`; with it the caller moves them, as the layer does.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, call)
        .input("x", Kind::Float)
        .optional("running_mean", Kind::Constant)
        .optional("running_var", Kind::Constant)
        .optional("weight", Kind::Float)
        .optional("bias", Kind::Float)
        .attr("use_input_stats", AttrType::Bool, true)
        .attr("momentum", AttrType::Float, 0.1)
        .attr("eps", AttrType::Float, 1e-5)
        .reference(reference)
        .draw(draw)
}

fn call(a: &Args) -> Result<Vec<Var>> {
    let (x, weight, bias) = (a.var("x")?, a.opt_var("weight"), a.opt_var("bias"));
    let (mean, var) = (a.opt_tensor("running_mean"), a.opt_tensor("running_var"));
    let eps = a.float("eps")?;
    if a.flag("use_input_stats")? {
        let y = x.instance_norm(weight, bias, eps)?;
        let given: Vec<&Tensor> = [mean, var].into_iter().flatten().collect();
        require_params(NAME, x.tensor(), &Shape::new(&x.dims()[1..2])?, &given)?;
        return Ok(one(y));
    }
    let (Some(mean), Some(var)) = (mean, var) else {
        return Err(Error::Call {
            op: NAME,
            name: "running_mean".to_owned(),
            expected: "running_mean and running_var must be given without use_input_stats"
                .to_owned(),
        });
    };
    Ok(one(x.batch_norm_eval(mean, var, weight, bias, eps)?))
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    if a.flag("use_input_stats")? {
        let channels = a.dense("x")?.dims[1];
        return groups_reference(a, |at| at[0] * channels + at[1]);
    }
    let (x, eps) = (a.dense("x")?, a.float("eps")?);
    let (mean, var) = (a.dense("running_mean")?, a.dense("running_var")?);
    let (weight, bias) = (a.opt_dense("weight")?, a.opt_dense("bias")?);
    let y = Dense::from_fn(&x.dims, |at| {
        let c = at[1];
        let y = (x.at(at) - mean.data[c]) / (var.data[c] + eps).sqrt();
        let y = weight.as_ref().map_or(y, |w| y * w.data[c]);
        bias.as_ref().map_or(y, |b| y + b.data[c])
    });
    Ok(vec![y])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let mut dims = d.shape(3..=4, 1..=3);
    if dims[2..].iter().product::<usize>() == 1 {
        dims[2] = 2;
    }
    let mut args = draw_channels(d, &dims)?;
    let own = d.below(3) != 2;
    if !own || d.flag() {
        args = args
            .with("running_mean", d.reals(&dims[1..2])?)
            .with("running_var", d.floats(&dims[1..2], Values::POSITIVE)?);
    }
    Ok(args.attr("use_input_stats", own))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Var};

    #[test]
    fn rejects_channels_of_one_value() {
        for dims in [&[2, 3][..], &[2, 3, 1, 1]] {
            let got = Var::constant(sampled(dims, 1)).instance_norm(None, None, 1e-5);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = Var::constant(sampled(&[3], 1)).instance_norm(None, None, 1e-5);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
