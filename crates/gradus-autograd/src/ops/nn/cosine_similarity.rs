//! The cosine of the angle between vectors.

use gradus_tensor::{Result, broadcast_shapes};

use super::normalize::{named, unit};
use crate::Var;
use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};

const NAME: &str = "cosine_similarity";

impl Var {
    /// The cosine of the angle between vectors along `dim`: the sum of the products of their elements, each vector divided by its length
    /// or by `eps` if that is more.
    ///
    /// # Shapes
    /// Operands broadcast; the result has their common shape without `dim`.
    ///
    /// # Numerics
    /// Both vectors are scaled before they are multiplied, so that long ones do not overflow. f32 or f64, both alike.
    ///
    /// # Gradient
    /// That of the formula; 0 for a vector of zeros. Any number of times.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if shapes do not broadcast; [`crate::Error::Axis`]; [`crate::Error::Argument`] if `eps` is
    /// negative; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.cosine_similarity`, whose defaults are dim = 1, eps = 1e-8.
    pub fn cosine_similarity(&self, other: &Self, dim: isize, eps: f64) -> Result<Self> {
        let shape = broadcast_shapes(NAME, self.shape(), other.shape())?;
        let dims = named(NAME, &shape, &[dim])?;
        let scaled = |x: &Self| unit(NAME, &x.expand(shape)?, 2.0, &dims, eps);
        scaled(self)?.mul(&scaled(other)?)?.sum(&dims, false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(NAME, |a| {
        let (x, y) = (a.var("x")?, a.var("y")?);
        let (dim, eps) = (a.isize("dim")?, a.float("eps")?);
        Ok(one(x.cosine_similarity(y, dim, eps)?))
    })
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("dim", AttrType::Int, 1)
    .attr("eps", AttrType::Float, 1e-8)
    .reference(|a| {
        let (x, y, eps) = (a.dense("x")?, a.dense("y")?, a.float("eps")?);
        let (x, y) = (x.zip(&y, |x, _| x), x.zip(&y, |_, y| y));
        let axis = a.isize("dim")?.rem_euclid(x.rank().max(1) as isize) as usize;
        let axes = if x.rank() == 0 { vec![] } else { vec![axis] };
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt().max(eps);
        let (long_x, long_y) = (
            x.reduce(&axes, false, length),
            y.reduce(&axes, false, length),
        );
        let products = x
            .zip(&y, |x, y| x * y)
            .reduce(&axes, false, |v| v.iter().sum());
        let lengths = long_x.zip(&long_y, |x, y| x * y);
        Ok(vec![products.zip(&lengths, |p, l| p / l)])
    })
    .draw(|d| {
        let [x, y, wide] = d.broadcast_pair();
        Ok(Args::new()
            .attr("dim", d.dim(wide.len()))
            .attr("eps", d.pick(&[1e-8, 20.0]))
            .with("x", d.floats(&x, Values::NONZERO)?)
            .with("y", d.floats(&y, Values::NONZERO)?))
    })
    .kinked()
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_13_a_vector_of_zeros_has_similarity_and_gradient_0() {
        let (x, y) = (leaf(&[0.0, 0.0], [1, 2]), leaf(&[3.0, 4.0], [1, 2]));
        let z = x.cosine_similarity(&y, 1, 1e-8).unwrap();
        assert_eq!(values(&z), [0.0]);
        let grads = z.backward_with(&constant(&[1.0], 1)).unwrap();
        for v in [&x, &y] {
            let got = grads.get_var(v).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(got, [0.0; 2]);
        }
    }
}
