//! Limits on both sides that differ from element to element.

use gradus_tensor::Error;

use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// `self` limited to `min..=max`, elementwise; either may be absent, not both. Where `min > max` it becomes `max`.
    ///
    /// # Shapes
    /// All broadcast to one shape, which the result has.
    ///
    /// # Numerics
    /// Exact; NaN if any of them is. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `grad_out` to the one that the result is; half to each of two that are equal. Summed over the dims in which one was
    /// expanded.
    ///
    /// # Errors
    /// [`crate::Error::Call`] if both limits are absent; [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`],
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.clamp` with tensors as limits.
    pub fn clamp_tensor(&self, min: Option<&Self>, max: Option<&Self>) -> Result<Self> {
        match (min, max) {
            (Some(min), Some(max)) => self.maximum(min)?.minimum(max),
            (Some(min), None) => self.maximum(min),
            (None, Some(max)) => self.minimum(max),
            (None, None) => Err(Error::Call {
                op: "clamp_tensor",
                name: "min".to_owned(),
                expected: "min or max must be given".to_owned(),
            }),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("clamp_tensor", |a| {
        let (min, max) = (a.opt_var("min"), a.opt_var("max"));
        Ok(one(a.var("x")?.clamp_tensor(min, max)?))
    })
    .input("x", Kind::Float)
    .optional("min", Kind::Float)
    .optional("max", Kind::Float)
    .kinked()
    .reference(|a| {
        let mut y = a.dense("x")?;
        if let Some(min) = a.opt_dense("min")? {
            y = y.zip(&min, f64::max);
        }
        if let Some(max) = a.opt_dense("max")? {
            y = y.zip(&max, f64::min);
        }
        Ok(vec![y])
    })
    .draw(|d| {
        let wide = d.any_shape();
        let [x, low, high] = [0, 1, 2].map(|_| d.narrower(&wide));
        // On grids apart from each other: no two are closer than the stencil reaches.
        let mut grid = |dims: &[usize], offset: f64, scale: f64| -> Result<crate::Tensor> {
            let values: Vec<f64> = d.reals(dims)?.to_vec()?;
            let apart = values
                .iter()
                .map(|v| (v * scale / 0.3).round() * 0.3 + offset);
            crate::Tensor::from_slice(&apart.collect::<Vec<f64>>(), dims)
        };
        let (x, low, high) = (
            grid(&x, 0.0, 1.0)?,
            grid(&low, 0.1, 0.4)?,
            grid(&high, 0.2, 0.4)?,
        );
        let args = Args::new().with("x", x);
        Ok(match d.below(3) {
            0 => args.with("min", low).with("max", high),
            1 => args.with("min", low),
            _ => args.with("max", high),
        })
    })
}
