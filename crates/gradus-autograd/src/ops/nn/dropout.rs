//! Dropout by counter: the mask is computed again in the backward, not kept.

use gradus_linalg::random;
use gradus_random::Philox;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::noise::{naive_kept, philox_of, require_share};
use crate::ops::support::with_float;
use crate::registry::{Args, AttrType, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Clone, Copy, Debug)]
struct Dropout {
    p: f64,
    philox: Philox,
    step: u64,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        with_float!(x.dtype(), self.name(), T => {
            let from = x.as_slice::<T>()?;
            let y = Tensor::build(x.shape(), |dst: &mut [T]| {
                random::dropout(dst, from, self.p, &self.philox, self.step);
            })?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(*self, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

impl Var {
    /// Each element set to 0 with probability `p`, else divided by `1 - p`. For training; in evaluation leave it out.
    ///
    /// The mask is a pure function of the generator's seed and stream, of `step` and of the element's position, so a step
    /// that is run again draws the same. Give each layer a stream of its own.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// `p = 0` is the identity, `p = 1` gives zeros, also of infinities. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` under the same mask, which is computed again. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `p` is not in `0..=1`; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{DType, Tensor, Var};
    /// use gradus_random::Philox;
    /// let x = Var::from(Tensor::ones([1000], DType::F32)?);
    /// let y = x.dropout(0.75, &Philox::new(42, 7), 0)?.tensor().to_vec::<f32>()?;
    /// assert!(y.iter().all(|&y| y == 0.0 || y == 4.0));
    /// assert!((200..300).contains(&y.iter().filter(|&&y| y == 4.0).count()));
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.dropout`, with other random numbers. Hinton et al. 2012, arXiv:1207.0580.
    pub fn dropout(&self, p: f64, philox: &Philox, step: u64) -> Result<Self> {
        require_share("dropout", p)?;
        let philox = *philox;
        apply(Dropout { p, philox, step }, &[self])
    }
}

/// Its registration. `seed` chooses the mask; PyTorch draws it from its global generator.
pub(super) fn spec() -> OpSpec {
    noise_spec("dropout", |a| {
        let (x, p) = (a.var("x")?, a.float("p")?);
        let y = x.dropout(p, &philox_of(a)?, 0)?;
        Ok(one(if a.flag("training")? { y } else { x.clone() }))
    })
    .reference(|a| {
        let x = a.dense("x")?;
        let (kept, p) = (naive_kept(a, &x.dims)?, a.float("p")?);
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
        let dims = d.any_shape();
        draw_noise(d, &dims)
    })
}

/// Inputs and attributes of a dropout.
pub(super) fn noise_spec(name: &'static str, call: fn(&Args) -> Result<Vec<Var>>) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .attr("p", AttrType::Float, 0.5)
        .attr("training", AttrType::Bool, true)
        .attr("seed", AttrType::Int, 0)
}

/// A case of a dropout.
pub(super) fn draw_noise(d: &mut Draw, dims: &[usize]) -> Result<Args> {
    Ok(Args::new()
        .with("x", d.reals(dims)?)
        .attr("p", d.pick(&[0.5, 0.25, 0.0, 1.0]))
        .attr("training", d.below(4) < 3)
        .attr("seed", d.int(0..=99)))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Var};
    use gradus_random::Philox;

    const NOISE: Philox = Philox::new(42, 7);

    fn half(x: &Var) -> Result<Var> {
        x.dropout(0.5, &NOISE, 3)
    }

    #[test]
    fn the_mask_depends_on_stream_and_step_only() {
        let x = Var::constant(sampled(&[64], 1));
        let y = |philox: Philox, step| values(&x.dropout(0.5, &philox, step).unwrap());
        assert_eq!(y(NOISE, 0), y(NOISE, 0));
        assert_ne!(y(NOISE, 0), y(NOISE, 1));
        assert_ne!(y(NOISE, 0), y(Philox::new(42, 8), 0));
        assert_ne!(y(NOISE, 0), y(Philox::new(43, 7), 0));
    }

    #[test]
    fn museum_29_all_or_nothing() {
        let odd = [1.5_f32, -0.0, f32::INFINITY, f32::MIN_POSITIVE];
        let x = leaf(&odd, 4);
        let same = x
            .dropout(0.0, &NOISE, 0)
            .unwrap()
            .tensor()
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(same.map_bits(), odd.map_bits());
        let y = x.dropout(1.0, &NOISE, 0).unwrap();
        assert_eq!(values(&y), [0.0; 4]);
        let infinite = constant(&[f32::INFINITY; 4], 4);
        let grads = y.backward_with(&infinite).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
            [0.0; 4]
        );
    }

    trait Bits {
        fn map_bits(&self) -> Vec<u32>;
    }

    impl<S: AsRef<[f32]>> Bits for S {
        fn map_bits(&self) -> Vec<u32> {
            self.as_ref().iter().map(|x| x.to_bits()).collect()
        }
    }

    #[test]
    fn rejects_what_is_no_probability() {
        let x = constant(&[1.0_f64], 1);
        for p in [-0.1, 1.1, f64::NAN] {
            let got = x.dropout(p, &NOISE, 0);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        check_rejects_integers(half);
    }
}
