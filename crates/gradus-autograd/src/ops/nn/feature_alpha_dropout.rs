//! Alpha dropout of whole channels.

use gradus_random::Philox;

use super::alpha_dropout::{naive_saturate, saturate};
use super::dropout::{draw_noise, noise_spec};
use crate::ops::support::noise::{channels, kept, naive_kept, philox_of, require_share};
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// [`Var::alpha_dropout`] of whole channels: one draw for each of them.
    ///
    /// # Shapes
    /// `(N, C, …)` of rank 2 or more; the result has the same.
    ///
    /// # Numerics, gradient
    /// As [`Var::alpha_dropout`].
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `p` is not in `0..=1`; [`crate::Error::Rank`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.feature_alpha_dropout`.
    pub fn feature_alpha_dropout(&self, p: f64, philox: &Philox, step: u64) -> Result<Self> {
        let op = "feature_alpha_dropout";
        require_share(op, p)?;
        let shape = channels(op, self)?;
        if p == 0.0 {
            return Ok(self.clone());
        }
        saturate(self, &kept(&shape, p, philox, step)?, p)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    noise_spec("feature_alpha_dropout", |a| {
        let (x, p) = (a.var("x")?, a.float("p")?);
        let y = x.feature_alpha_dropout(p, &philox_of(a)?, 0)?;
        Ok(one(if a.flag("training")? { y } else { x.clone() }))
    })
    .reference(|a| {
        let x = a.dense("x")?;
        let mut dims = vec![1; x.rank()];
        dims[..2].copy_from_slice(&x.dims[..2]);
        naive_saturate(a, &x, &naive_kept(a, &dims)?)
    })
    .draw(|d| {
        let dims = d.shape(2..=4, 1..=3);
        draw_noise(d, &dims)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_random::Philox;

    #[test]
    fn museum_29_a_channel_is_kept_or_dropped_whole() {
        let x = constant(&[1.0; 60], [4, 5, 3]);
        let y = values(&x.feature_alpha_dropout(0.5, &Philox::new(1, 2), 0).unwrap());
        let firsts: Vec<f64> = y.chunks(3).map(|channel| channel[0]).collect();
        assert!(y.chunks(3).all(|channel| channel == [channel[0]; 3]));
        assert!(firsts.iter().any(|&v| v != firsts[0]));
        let infinite = constant(&[f64::INFINITY; 4], [2, 2]);
        let gone = infinite
            .feature_alpha_dropout(1.0, &Philox::new(1, 2), 0)
            .unwrap();
        assert_eq!(values(&gone), [0.0; 4]);
    }
}
