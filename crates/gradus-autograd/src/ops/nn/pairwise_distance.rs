//! The distance between vectors.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::require;
use crate::ops::support::vector_norm::vector_norm;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};

const NAME: &str = "pairwise_distance";

impl Var {
    /// The norm of the differences of vectors along the last dim, `(Σ |x - y + eps|^p)^(1/p)`.
    ///
    /// # Shapes
    /// Operands broadcast; the result has their common shape without the last dim, or with 1 for it if `keepdim`.
    ///
    /// # Numerics
    /// `eps` is added to each difference, as PyTorch does, so that equal vectors have a distance of a little more than 0. f32 or f64.
    ///
    /// # Gradient
    /// That of the formula; 0 where the norm is 0. Any number of times.
    ///
    /// # Errors
    /// Those of [`Var::sub`]; [`crate::Error::Argument`] if `p` is NaN.
    ///
    /// As `torch.nn.functional.pairwise_distance`, whose defaults are p = 2, eps = 1e-6.
    pub fn pairwise_distance(&self, other: &Self, p: f64, eps: f64, keepdim: bool) -> Result<Self> {
        require(!p.is_nan(), NAME, "p", "a number", p)?;
        let apart = self.sub(other)?.add_scalar(eps)?;
        if apart.rank() == 0 {
            return vector_norm(&apart, p, &[]);
        }
        let norm = vector_norm(&apart, p, &[-1])?;
        if keepdim { Ok(norm) } else { norm.squeeze(-1) }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let (x, y) = (a.var("x")?, a.var("y")?);
        let (p, eps) = (a.float("p")?, a.float("eps")?);
        Ok(one(x.pairwise_distance(y, p, eps, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("p", AttrType::Float, 2.0)
    .attr("eps", AttrType::Float, 1e-6)
    .attr("keepdim", AttrType::Bool, false)
    .kinked()
    .reference(|a| {
        let (p, eps, keepdim) = (a.float("p")?, a.float("eps")?, a.flag("keepdim")?);
        let apart = a.dense("x")?.zip(&a.dense("y")?, |x, y| x - y + eps);
        let axes: Vec<usize> = apart.rank().checked_sub(1).into_iter().collect();
        Ok(vec![apart.reduce(&axes, keepdim, |v| {
            let sizes = v.iter().map(|x| x.abs());
            if p == f64::INFINITY {
                sizes.fold(0.0, f64::max)
            } else if p == 0.0 {
                v.len() as f64
            } else {
                sizes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p)
            }
        })])
    })
    .draw(|d| {
        let [x, y, _] = d.broadcast_pair();
        // All of x lies above all of y, so that no difference is near 0; an infinite norm needs one that is the largest.
        let below = d.distinct(&y)?.to_vec::<f64>()?;
        let most = below.iter().fold(0.0_f64, |m, v| v.abs().max(m));
        let above = d.distinct(&x)?.to_vec::<f64>()?;
        let least = above.iter().fold(0.0_f64, |m, v| v.abs().max(m));
        let shift = |v: Vec<f64>, by: f64| v.into_iter().map(|v| v * 1.37 + by).collect::<Vec<_>>();
        let sizes = [1.0, 2.0, 3.0, 0.5, 0.0, -1.0];
        Ok(Args::new()
            .attr("p", d.pick(&sizes))
            .attr("eps", d.pick(&[1e-6, 0.25]))
            .attr("keepdim", d.flag())
            .with(
                "x",
                gradus_tensor::Tensor::from_slice(
                    &shift(above, 1.37 * (most + least) + 0.5),
                    &x[..],
                )?,
            )
            .with("y", gradus_tensor::Tensor::from_slice(&below, &y[..])?))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_12_equal_vectors_have_gradient_0_without_eps() {
        for p in [1.0, 2.0, 3.0, f64::INFINITY] {
            let (x, y) = (leaf(&[1.0, 2.0], [1, 2]), constant(&[1.0, 2.0], [1, 2]));
            let z = x.pairwise_distance(&y, p, 0.0, false).unwrap();
            assert_eq!(values(&z), [0.0]);
            let grads = z.sum(&[], false).unwrap().backward().unwrap();
            let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(got, [0.0; 2], "{p}");
        }
    }
}
