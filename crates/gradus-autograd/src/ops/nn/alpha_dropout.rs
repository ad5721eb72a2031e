//! Dropout that keeps mean and variance of SELU's outputs.

use gradus_random::Philox;
use gradus_tensor::Tensor;

use super::dropout::{draw_noise, noise_spec};
use crate::ops::support::noise::{kept, naive_kept, philox_of, require_share};
use crate::ops::support::{FLOATS, require_dtype, scalar_like};
use crate::registry::{Args, Dense, OpSpec, one};
use crate::{Result, Var};

/// What SELU saturates at, but for the sign.
const SATURATION: f64 = 1.758_099_340_847_376_6;

/// Slope of the kept elements, what is added to them, and what the others become.
fn affine(p: f64) -> [f64; 3] {
    if p == 1.0 {
        return [1.0, 0.0, 0.0];
    }
    let slope = 1.0 / ((SATURATION * SATURATION * p + 1.0) * (1.0 - p)).sqrt();
    let shift = SATURATION * slope * p;
    [slope, shift, shift - SATURATION * slope]
}

/// `x` where the mask, broadcast, keeps it and SELU's saturation elsewhere, both scaled and shifted.
pub(super) fn saturate(x: &Var, mask: &Tensor, p: f64) -> Result<Var> {
    let [slope, shift, dropped] = affine(p);
    let kept = x.mul_scalar(slope)?.add_scalar(shift)?;
    kept.where_(mask, &scalar_like(x, dropped)?)
}

/// The same of naive values.
pub(super) fn naive_saturate(args: &Args, x: &Dense, kept: &Dense) -> Result<Vec<Dense>> {
    let p = args.float("p")?;
    if !args.flag("training")? || p == 0.0 {
        return Ok(vec![x.clone()]);
    }
    let scale = 1.0 / ((SATURATION * SATURATION * p + 1.0) * (1.0 - p)).sqrt();
    Ok(vec![x.zip(kept, |x, kept| {
        let x = if kept == 1.0 { x } else { -SATURATION };
        if p == 1.0 {
            0.0
        } else {
            scale * (x + SATURATION * p)
        }
    })])
}

impl Var {
    /// Each element set to SELU's saturation with probability `p`, then all scaled and shifted so that mean 0 and variance 1
    /// stay. For training; in evaluation leave it out.
    ///
    /// The mask is a function of the generator and of `step`, as that of [`Var::dropout`].
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// With `s = 1.7581` and `a = ((s² p + 1) (1 - p))^-½`: `a (x + s p)` where kept, `a s (p - 1)` elsewhere. `p = 0` is the
    /// identity, `p = 1` gives zeros, also of infinities. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · a` where kept. Keeps the mask.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `p` is not in `0..=1`; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.alpha_dropout`. Klambauer et al. 2017, arXiv:1706.02515.
    pub fn alpha_dropout(&self, p: f64, philox: &Philox, step: u64) -> Result<Self> {
        require_share("alpha_dropout", p)?;
        require_dtype("alpha_dropout", self.tensor(), FLOATS)?;
        if p == 0.0 {
            return Ok(self.clone());
        }
        saturate(self, &kept(self.shape(), p, philox, step)?, p)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    noise_spec("alpha_dropout", |a| {
        let (x, p) = (a.var("x")?, a.float("p")?);
        let y = x.alpha_dropout(p, &philox_of(a)?, 0)?;
        Ok(one(if a.flag("training")? { y } else { x.clone() }))
    })
    .reference(|a| {
        let x = a.dense("x")?;
        naive_saturate(a, &x, &naive_kept(a, &x.dims)?)
    })
    .draw(|d| {
        let dims = d.any_shape();
        draw_noise(d, &dims)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_random::Philox;

    #[test]
    fn museum_29_all_or_nothing() {
        let x = leaf(&[f64::INFINITY, 1.0], 2);
        let y = x.alpha_dropout(1.0, &Philox::new(1, 2), 0).unwrap();
        assert_eq!(values(&y), [0.0; 2]);
        let grads = y.backward_with(&constant(&[f64::INFINITY; 2], 2)).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 2]
        );
        assert_eq!(
            values(&x.alpha_dropout(0.0, &Philox::new(1, 2), 0).unwrap()),
            values(&x)
        );
    }

    #[test]
    fn keeps_mean_and_variance() {
        let mut z = vec![0.0_f64; 40_000];
        gradus_linalg::random::fill_normal(&mut z, &Philox::new(3, 4), 0, 0.0, 1.0);
        let y = constant(&z, z.len())
            .alpha_dropout(0.3, &Philox::new(1, 2), 0)
            .unwrap();
        let mean = y.mean(&[], false).unwrap().item::<f64>().unwrap();
        let var = y.var(&[], 0, false).unwrap().item::<f64>().unwrap();
        assert!(
            mean.abs() < 0.02 && (var - 1.0).abs() < 0.02,
            "{mean} {var}"
        );
    }
}
