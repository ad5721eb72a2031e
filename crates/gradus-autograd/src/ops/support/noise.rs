//! Which elements a dropout keeps: pure functions of a generator, a step and the position.

use gradus_linalg::random;
use gradus_random::Philox;
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::{require, require_dtype};
use crate::Var;
use crate::registry::{Args, Dense};

/// Refuses what is no probability.
pub(crate) fn require_share(op: &'static str, p: f64) -> Result<()> {
    require((0.0..=1.0).contains(&p), op, "p", "in 0..=1", p)
}

/// Whether each element of `shape` is kept, with probability `1 - p`: bool. The numbers are those of [`Var::dropout`].
pub(crate) fn kept(shape: &Shape, p: f64, philox: &Philox, step: u64) -> Result<Tensor> {
    let ones = Tensor::ones(shape, gradus_tensor::DType::F32)?;
    let mut scaled = Tensor::zeros(shape, gradus_tensor::DType::F32)?;
    random::dropout(scaled.make_mut::<f32>()?, ones.as_slice()?, p, philox, step);
    scaled.to_dtype(gradus_tensor::DType::Bool)
}

/// The shape of one number for each channel of `(N, C, …)`.
pub(crate) fn channels(op: &'static str, x: &Var) -> Result<Shape> {
    require_dtype(op, x.tensor(), super::FLOATS)?;
    let &[batch, channels, ..] = x.dims() else {
        let (expected, got) = (2, *x.shape());
        return Err(Error::Rank { op, expected, got });
    };
    let mut dims = vec![1; x.rank()];
    [dims[0], dims[1]] = [batch, channels];
    Shape::new(&dims)
}

/// [`kept`] of a call's attributes, one word of the generator after the other.
pub(crate) fn naive_kept(args: &Args, dims: &[usize]) -> Result<Dense> {
    let (p, philox) = (args.float("p")?, philox_of(args)?);
    let training = args.flag("training")?;
    let mut i = 0;
    Ok(Dense::from_fn(dims, |_| {
        let word = philox.block(0, i / 4)[(i % 4) as usize];
        i += 1;
        f64::from(u8::from(
            !training || f64::from(word) >= (p * 4_294_967_296.0).round(),
        ))
    }))
}

/// The generator of the attribute `seed`.
pub(crate) fn philox_of(args: &Args) -> Result<Philox> {
    Ok(Philox::new(args.int("seed")? as u64, 0))
}
