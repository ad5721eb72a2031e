//! Normalisation over groups of channels and by neighbouring channels.

use gradus_autograd::{Parameter, Result, ResultExt, Var};

use crate::{Ctx, Init, Module, Scope};

/// The options of [`GroupNorm`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormConfig {
    /// Added to the variance. Default: 1e-5.
    pub eps: f64,
    /// Whether there are weight and bias. Default: yes.
    pub affine: bool,
}

impl Default for GroupNormConfig {
    fn default() -> Self {
        Self {
            eps: 1e-5,
            affine: true,
        }
    }
}

/// Normalises groups of channels of each sample; `torch.nn.GroupNorm`. Wu and He 2018, arXiv:1803.08494.
///
/// # Shapes
/// `(N, C, …)`, the same out; `weight` and `bias` are `(C,)`, and start at 1 and 0.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    path: String,
    num_groups: usize,
    eps: f64,
    affine: Option<[Parameter; 2]>,
}

impl GroupNorm {
    /// A layer for `num_channels` channels in `num_groups` groups.
    ///
    /// # Errors
    /// Those of making the parameters.
    pub fn new(
        scope: &Scope,
        num_groups: usize,
        num_channels: usize,
        config: &GroupNormConfig,
    ) -> Result<Self> {
        Ok(Self {
            path: scope.path().to_owned(),
            num_groups,
            eps: config.eps,
            affine: config
                .affine
                .then(|| affine(scope, num_channels))
                .transpose()?,
        })
    }
}

/// Weight and bias of each channel, 1 and 0.
pub(super) fn affine(scope: &Scope, channels: usize) -> Result<[Parameter; 2]> {
    Ok([
        scope.parameter("weight", [channels], Init::Ones)?,
        scope.parameter("bias", [channels], Init::Zeros)?,
    ])
}

/// Weight and bias, where they are.
pub(super) fn vars(affine: &Option<[Parameter; 2]>) -> [Option<Var>; 2] {
    match affine {
        Some([weight, bias]) => [Some(weight.var()), Some(bias.var())],
        None => [None, None],
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let [weight, bias] = vars(&self.affine);
        x.group_norm(self.num_groups, weight.as_ref(), bias.as_ref(), self.eps)
            .at(|| self.path.as_str())
    }
}

/// Divides by the energy of neighbouring channels; `torch.nn.LocalResponseNorm`. Krizhevsky et al. 2012.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// How many channels are looked at.
    pub size: usize,
    /// The share of their mean square. Default: 1e-4.
    pub alpha: f64,
    /// The power of the divisor. Default: 0.75.
    pub beta: f64,
    /// Added to the divisor before the power. Default: 1.
    pub k: f64,
}

impl LocalResponseNorm {
    /// A layer over `size` channels.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
        }
    }
}

impl Module for LocalResponseNorm {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.local_response_norm(self.size, self.alpha, self.beta, self.k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn keys_shapes_and_gradients() {
        check(
            &[("weight", &[4]), ("bias", &[4])],
            &[2, 4, 3],
            &[2, 4, 3],
            |scope| GroupNorm::new(scope, 2, 4, &GroupNormConfig::default()),
        );
        let plain = GroupNormConfig {
            affine: false,
            ..GroupNormConfig::default()
        };
        check(&[], &[2, 4, 3, 3], &[2, 4, 3, 3], |scope| {
            GroupNorm::new(scope, 4, 4, &plain)
        });
        check(&[], &[2, 4, 3], &[2, 4, 3], |_| {
            Ok(LocalResponseNorm::new(3))
        });
    }
}
