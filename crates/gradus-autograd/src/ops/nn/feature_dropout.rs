//! Dropout of whole channels.

use gradus_random::Philox;

use super::dropout::{draw_noise, noise_spec};
use crate::ops::support::noise::{channels, kept, naive_kept, philox_of, require_share};
use crate::ops::support::scalar_like;
use crate::registry::{OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Each channel set to 0 with probability `p`, else divided by `1 - p`. For training; in evaluation leave it out.
    ///
    /// The mask is a function of the generator and of `step`, as that of [`Var::dropout`].
    ///
    /// # Shapes
    /// `(N, C, …)` of rank 2 or more; the result has the same.
    ///
    /// # Numerics
    /// `p = 0` is the identity, `p = 1` gives zeros, also of infinities. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` under the same mask. Keeps the mask, one element a channel.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `p` is not in `0..=1`; [`crate::Error::Rank`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{DType, Tensor, Var};
    /// use gradus_random::Philox;
    /// let x = Var::from(Tensor::ones([8, 8, 2], DType::F32)?);
    /// let y = x.feature_dropout(0.5, &Philox::new(42, 7), 0)?.tensor().to_vec::<f32>()?;
    /// assert!(y.chunks(2).all(|channel| channel == [0.0, 0.0] || channel == [2.0, 2.0]));
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.feature_dropout`, which `dropout1d`, `dropout2d` and `dropout3d` of `torch.nn.functional` call. Tompson et al.
    /// 2014, arXiv:1411.4280.
    pub fn feature_dropout(&self, p: f64, philox: &Philox, step: u64) -> Result<Self> {
        let op = "feature_dropout";
        require_share(op, p)?;
        let shape = channels(op, self)?;
        if p == 0.0 {
            return Ok(self.clone());
        }
        let mask = kept(&shape, p, philox, step)?;
        let scale = if p == 1.0 { 1.0 } else { 1.0 / (1.0 - p) };
        self.mul_scalar(scale)?
            .where_(&mask, &scalar_like(self, 0.0)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    noise_spec("feature_dropout", |a| {
        let (x, p) = (a.var("x")?, a.float("p")?);
        let y = x.feature_dropout(p, &philox_of(a)?, 0)?;
        Ok(one(if a.flag("training")? { y } else { x.clone() }))
    })
    .reference(|a| {
        let (x, p) = (a.dense("x")?, a.float("p")?);
        let mut dims = vec![1; x.rank()];
        dims[..2].copy_from_slice(&x.dims[..2]);
        let kept = naive_kept(a, &dims)?;
        let scale = if a.flag("training")? {
            1.0 / (1.0 - p)
        } else {
            1.0
        };
        Ok(vec![x.zip(&kept, |x, kept| {
            if kept == 1.0 { x * scale } else { 0.0 }
        })])
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
    fn museum_29_all_or_nothing() {
        let noise = Philox::new(1, 2);
        let x = leaf(&[1.5, f64::INFINITY, -0.0, f64::NAN], [2, 2]);
        let same = values(&x.feature_dropout(0.0, &noise, 0).unwrap());
        assert_eq!(
            same.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            values(&x).iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        );
        let y = x.feature_dropout(1.0, &noise, 0).unwrap();
        assert_eq!(values(&y), [0.0; 4]);
        let grads = y
            .backward_with(&constant(&[f64::INFINITY; 4], [2, 2]))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 4]
        );
    }
}
