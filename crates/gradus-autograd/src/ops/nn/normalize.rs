//! Vectors scaled to length 1.

use gradus_tensor::{Error, Result, Shape};

use crate::Var;
use crate::ops::support::require;
use crate::ops::support::vector_norm::{is_zero, replaced, vector_norm};
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};

const NAME: &str = "normalize";

/// These dims; of a rank of 0, which has one element along dim 0, all there are.
pub(super) fn named(op: &'static str, shape: &Shape, dims: &[isize]) -> Result<Vec<isize>> {
    if shape.rank() > 0 {
        shape.axes(op, dims)?;
        return Ok(dims.to_vec());
    }
    match dims.iter().find(|dim| !(-1..=0).contains(*dim)) {
        Some(&dim) => Err(Error::Axis { op, dim, rank: 0 }),
        None => Ok(Vec::new()),
    }
}

/// `x` over the norms of its vectors, at least `eps`; a vector of zeros stays, with gradient 0.
pub(super) fn unit(op: &'static str, x: &Var, p: f64, dims: &[isize], eps: f64) -> Result<Var> {
    require(!p.is_nan(), op, "p", "a number", p)?;
    require(eps >= 0.0, op, "eps", "at least 0", eps)?;
    let norm = vector_norm(x, p, dims)?;
    let zeros = is_zero(norm.tensor())?;
    let safe = replaced(&norm, &zeros, 1.0)?.clamp(Some(eps), None)?;
    let scaled = x.div(&safe)?;
    replaced(&scaled, &zeros.expand(x.shape())?, 0.0)
}

impl Var {
    /// Vectors along `dims` divided by their norm, `(Σ |x|^p)^(1/p)`, or by `eps` if that is more.
    ///
    /// # Shapes
    /// Any; vectors lie along `dims` together (all, if empty). The same out.
    ///
    /// # Numerics
    /// f32 or f64. `p` may be infinite.
    ///
    /// # Gradient
    /// That of the quotient. A vector of zeros stays so and has gradient 0, not `1 / eps` as PyTorch says. Any number of times.
    ///
    /// # Errors
    /// [`crate::Error::Axis`]; [`crate::Error::Argument`] if `p` is NaN or `eps` negative; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[3.0_f64, 4.0, 0.0, 0.0], [2, 2])?);
    /// assert_eq!(x.normalize(2.0, &[1], 1e-12)?.tensor().to_vec::<f64>()?, [0.6, 0.8, 0.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.normalize`, whose defaults are p = 2, dim = 1, eps = 1e-12.
    pub fn normalize(&self, p: f64, dims: &[isize], eps: f64) -> Result<Self> {
        unit(NAME, self, p, &named(NAME, self.shape(), dims)?, eps)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let (p, dims, eps) = (a.float("p")?, a.isizes("dim")?, a.float("eps")?);
        Ok(one(a.var("x")?.normalize(p, &dims, eps)?))
    })
    .input("x", Kind::Float)
    .attr("p", AttrType::Float, 2.0)
    .attr("dim", AttrType::Ints, 1)
    .attr("eps", AttrType::Float, 1e-12)
    .kinked()
    .reference(|a| {
        let (x, p, eps) = (a.dense("x")?, a.float("p")?, a.float("eps")?);
        let axes: Vec<usize> = a
            .isizes("dim")?
            .iter()
            .map(|dim| dim.rem_euclid(x.rank().max(1) as isize) as usize)
            .collect();
        let norms = x.reduce(&axes, true, |v| {
            if p == f64::INFINITY {
                v.iter().fold(0.0, |m, x| x.abs().max(m))
            } else {
                v.iter().map(|x| x.abs().powf(p)).sum::<f64>().powf(1.0 / p)
            }
        });
        Ok(vec![x.zip(&norms, |x, n| x / n.max(eps))])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let along: Vec<i64> = if dims.len() > 1 && d.below(4) == 3 {
            vec![0, -1]
        } else {
            vec![d.dim(dims.len())]
        };
        Ok(Args::new()
            .attr("p", d.pick(&[2.0, 1.0, 3.0, 0.5, f64::INFINITY]))
            .attr("eps", d.pick(&[1e-12, 1e3]))
            .attr("dim", along)
            .with("x", d.floats(&dims, Values::NONZERO)?))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    fn slopes(x: &[f64], p: f64) -> Vec<f64> {
        let x = leaf(x, [1, x.len()]);
        let y = x.normalize(p, &[1], 1e-12).unwrap();
        let grad = constant(&[1.0, 2.0, 3.0], [1, 3]);
        let grads = y.backward_with(&grad).unwrap();
        grads.get_var(&x).unwrap().to_vec::<f64>().unwrap()
    }

    #[test]
    fn museum_13_zeros_stay_and_have_gradient_0() {
        for p in [1.0, 2.0, 3.0, 0.5, f64::INFINITY] {
            let zeros = constant(&[0.0; 3], [1, 3]).normalize(p, &[1], 1e-12);
            assert_eq!(values(&zeros.unwrap()), [0.0; 3]);
            assert_eq!(slopes(&[0.0; 3], p), [0.0; 3]);
        }
    }

    #[test]
    fn museum_13_a_zero_among_others_is_finite() {
        // PyTorch's numbers.
        let want = [-0.444_444, 0.666_667, 0.222_222];
        for (got, want) in slopes(&[1.0, 0.0, 2.0], 1.0).iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        assert!(slopes(&[1.0, 0.0, 2.0], 0.5).iter().all(|v| v.is_finite()));
    }
}
