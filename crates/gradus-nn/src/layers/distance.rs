//! Distances of pairs of vectors.

use gradus_autograd::{Result, Var};

/// The cosine of the angle between vectors along a dim; `torch.nn.CosineSimilarity`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineSimilarity {
    /// The dim of the vectors. Default: 1.
    pub dim: isize,
    /// The least length that a vector is divided by. Default: 1e-8.
    pub eps: f64,
}

impl Default for CosineSimilarity {
    fn default() -> Self {
        Self { dim: 1, eps: 1e-8 }
    }
}

impl CosineSimilarity {
    /// Of the vectors of `x1` and `x2`.
    ///
    /// # Errors
    /// Those of [`Var::cosine_similarity`].
    pub fn forward(&self, x1: &Var, x2: &Var) -> Result<Var> {
        x1.cosine_similarity(x2, self.dim, self.eps)
    }
}

/// The norm of the differences of vectors along the last dim; `torch.nn.PairwiseDistance`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairwiseDistance {
    /// The norm. Default: 2.
    pub p: f64,
    /// Added to each difference. Default: 1e-6.
    pub eps: f64,
    /// Whether the last dim stays, with size 1. Default: no.
    pub keepdim: bool,
}

impl Default for PairwiseDistance {
    fn default() -> Self {
        Self {
            p: 2.0,
            eps: 1e-6,
            keepdim: false,
        }
    }
}

impl PairwiseDistance {
    /// Of the vectors of `x1` and `x2`.
    ///
    /// # Errors
    /// Those of [`Var::pairwise_distance`].
    pub fn forward(&self, x1: &Var, x2: &Var) -> Result<Var> {
        x1.pairwise_distance(x2, self.p, self.eps, self.keepdim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::sampled;

    #[test]
    fn equal_vectors() {
        let x = sampled(&[3, 4]);
        let cosine = CosineSimilarity::default().forward(&x, &x).unwrap();
        let distance = PairwiseDistance::default().forward(&x, &x).unwrap();
        for (c, d) in cosine
            .tensor()
            .to_vec::<f64>()
            .unwrap()
            .into_iter()
            .zip(distance.tensor().to_vec::<f64>().unwrap())
        {
            // The distance is that of eps in four dims.
            assert!((c - 1.0).abs() < 1e-14 && (d - 2e-6).abs() < 1e-12);
        }
    }
}
