//! Normalisation by the energy of neighbouring channels.

use gradus_tensor::{Error, Result};

use crate::Var;
use crate::ops::support::require;
use crate::ops::{AvgPoolConfig, PadMode};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

const NAME: &str = "local_response_norm";

impl Var {
    /// Local response normalisation: `self / (k + alpha · m)^beta`, with `m` the mean of the squares of `size` channels around (one less
    /// behind if even; zeros outside).
    ///
    /// # Shapes
    /// `(N, C, …)` of rank 3 or more; the same out.
    ///
    /// # Numerics
    /// Means in f64. f32 or f64.
    ///
    /// # Gradient
    /// That of the formula; any number of times.
    ///
    /// # Errors
    /// [`Error::Rank`] below 3; [`Error::Argument`] if `size` is 0; [`Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.local_response_norm`. Krizhevsky et al. 2012.
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Self> {
        let [n, c, ref rest @ ..] = *self.dims() else {
            return Err(rank_error(self));
        };
        if rest.is_empty() {
            return Err(rank_error(self));
        }
        let fits = size > 0 && size < 1 << 31;
        require(
            fits,
            NAME,
            "size",
            "at least 1, less than 2^31",
            size as f64,
        )?;
        if self.numel() == 0 {
            // Nothing to average; the dtype is still looked at.
            return self.mul_scalar(1.0);
        }
        let before = (size / 2) as isize;
        let behind = ((size - 1) / 2) as isize;
        let plane: usize = rest.iter().product();
        let config = AvgPoolConfig {
            stride: Some([1, 1]),
            ..AvgPoolConfig::default()
        };
        let mean = self
            .square()?
            .reshape([n, c, plane])?
            .pad(&[0, 0, before, behind], PadMode::Constant(0.0))?
            .avg_pool2d([size, 1], &config)?
            .reshape(self.shape())?;
        self.div(&mean.mul_scalar(alpha)?.add_scalar(k)?.pow_scalar(beta)?)
    }
}

fn rank_error(x: &Var) -> Error {
    Error::Rank {
        op: NAME,
        expected: 3,
        got: *x.shape(),
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let number = |name| a.float(name);
        let y = a.var("x")?.local_response_norm(
            a.usize("size")?,
            number("alpha")?,
            number("beta")?,
            number("k")?,
        )?;
        Ok(one(y))
    })
    .input("x", Kind::Float)
    .required("size", AttrType::Int)
    .attr("alpha", AttrType::Float, 1e-4)
    .attr("beta", AttrType::Float, 0.75)
    .attr("k", AttrType::Float, 1.0)
    .reference(reference)
    .draw(|d| {
        let dims = d.shape(3..=4, 1..=4);
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .attr("size", d.range(1..=5))
            .attr("alpha", d.pick(&[1e-4, 0.5]))
            .attr("beta", d.pick(&[0.75, 2.0]))
            .attr("k", d.pick(&[1.0, 0.5])))
    })
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, size) = (a.dense("x")?, a.usize("size")?);
    let y = Dense::from_fn(&x.dims, |at| {
        let first = (at[1] + x.dims[1]).saturating_sub(size / 2);
        let mut sum = 0.0;
        for c in first..first + size {
            if let Some(c) = c.checked_sub(x.dims[1])
                && c < x.dims[1]
                && c + size / 2 < at[1] + size
            {
                let mut near = at.to_vec();
                near[1] = c;
                sum += x.at(&near).powi(2);
            }
        }
        let (alpha, beta, k) = (a.float("alpha"), a.float("beta"), a.float("k"));
        let (alpha, beta, k) = (
            alpha.unwrap_or(f64::NAN),
            beta.unwrap_or(f64::NAN),
            k.unwrap_or(f64::NAN),
        );
        x.at(at) / (k + alpha * sum / size as f64).powf(beta)
    });
    Ok(vec![y])
}
