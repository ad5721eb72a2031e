//! Dropouts.

use gradus_autograd::{Result, ResultExt, Var};

use crate::{Ctx, Module, Scope};

macro_rules! dropouts {
    ($($(#[$doc:meta])* $name:ident => |$x:ident, $p:ident, $philox:ident, $step:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Noise);
        impl $name {
            /// With probability `p`. The scope names its random stream; nothing is stored there.
            pub fn new(scope: &Scope, p: f64) -> Self { Self(Noise::new(scope, p)) }
        }
        impl Module for $name {
            fn forward(&self, x: &Var, ctx: &Ctx) -> Result<Var> {
                self.0.run(x, ctx, |$x, $p, $philox, $step| $body)
            }
        }
    )*};
}

/// Path, stream and probability of a dropout.
///
/// The mask is a function of the context's seed and step and of the layer's path. It is not stored: the backward makes it again.
#[derive(Clone, Debug)]
struct Noise {
    path: String,
    stream: u64,
    p: f64,
}

impl Noise {
    fn new(scope: &Scope, p: f64) -> Self {
        Self {
            path: scope.path().to_owned(),
            stream: scope.stream(),
            p,
        }
    }

    fn run(
        &self,
        x: &Var,
        ctx: &Ctx,
        f: impl FnOnce(&Var, f64, &gradus_random::Philox, u64) -> Result<Var>,
    ) -> Result<Var> {
        if !ctx.is_training() {
            return Ok(x.clone());
        }
        f(x, self.p, &ctx.philox(self.stream), ctx.step()).at(|| self.path.as_str())
    }
}

dropouts! {
    /// In training sets each element to 0 with probability `p` and divides the others by `1 - p`; in evaluation the identity.
    /// `torch.nn.Dropout`; Srivastava et al. 2014.
    Dropout => |x, p, philox, step| x.dropout(p, philox, step);
    /// In training sets channels of `(N, C)`, `(C, L)` or `(N, C, L)` to 0 and scales the others; `torch.nn.Dropout1d`.
    Dropout1d => |x, p, philox, step| batched(x, 2, |x| x.feature_dropout(p, philox, step));
    /// In training sets channels of `(N, C, H, W)` to 0 and scales the others; `torch.nn.Dropout2d`.
    Dropout2d => |x, p, philox, step| x.feature_dropout(p, philox, step);
    /// In training sets channels of `(N, C, D, H, W)` or `(C, D, H, W)` to 0 and scales the others; `torch.nn.Dropout3d`.
    Dropout3d => |x, p, philox, step| batched(x, 4, |x| x.feature_dropout(p, philox, step));
    /// In training sets elements to SELU's saturation, keeping mean and variance; `torch.nn.AlphaDropout`.
    AlphaDropout => |x, p, philox, step| x.alpha_dropout(p, philox, step);
    /// In training sets whole channels to SELU's saturation; `torch.nn.FeatureAlphaDropout`.
    FeatureAlphaDropout => |x, p, philox, step| x.feature_alpha_dropout(p, philox, step);
}

/// `f` of an input that may lack the dim of the batch, and then has this rank.
fn batched(x: &Var, rank: usize, f: impl FnOnce(&Var) -> Result<Var>) -> Result<Var> {
    if x.rank() == rank {
        f(&x.unsqueeze(0)?)?.squeeze(0)
    } else {
        f(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamStore;
    use gradus_autograd::{DType, Tensor};

    #[test]
    fn museum_29_dropout_at_its_ends() {
        let scope = ParamStore::seeded(1).root();
        let x = Var::constant(Tensor::constant([2, 3, 4], DType::F32, f64::INFINITY).unwrap());
        type Make = fn(&Scope, f64) -> Box<dyn Module>;
        let all: [Make; 5] = [
            |s, p| Box::new(Dropout::new(s, p)),
            |s, p| Box::new(Dropout1d::new(s, p)),
            |s, p| Box::new(Dropout2d::new(s, p)),
            |s, p| Box::new(AlphaDropout::new(s, p)),
            |s, p| Box::new(FeatureAlphaDropout::new(s, p)),
        ];
        for make in all {
            let run = |p: f64, ctx: &Ctx| {
                let y = make(&scope, p).forward(&x, ctx).unwrap();
                y.tensor().to_vec::<f32>().unwrap()
            };
            assert_eq!(run(1.0, &Ctx::train(1, 2)), [0.0; 24]);
            assert_eq!(run(0.0, &Ctx::train(1, 2)), [f32::INFINITY; 24]);
            assert_eq!(run(1.0, &Ctx::eval()), [f32::INFINITY; 24]);
        }
    }
}
