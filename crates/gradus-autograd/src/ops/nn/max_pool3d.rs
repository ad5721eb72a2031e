//! The largest element of each window of a volume.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::max_spec;
use crate::ops::support::pool::{MaxPool3dConfig, max_pool};
use crate::registry::OpSpec;

impl Var {
    /// The largest element of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, D, H, W)`, or `(C, D, H, W)` for one volume; sides as [`Var::max_pool2d`].
    ///
    /// # Numerics
    /// As [`Var::max_pool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::max_pool2d`].
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    ///
    /// As `torch.nn.functional.max_pool3d`.
    pub fn max_pool3d(&self, kernel_size: [usize; 3], config: &MaxPool3dConfig) -> Result<Self> {
        max_pool("max_pool3d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    max_spec::<3>("max_pool3d", false)
}

#[cfg(test)]
mod tests {
    use crate::ops::MaxPool3dConfig;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_38_one_winner_of_a_cube() {
        let x = leaf(&[1.0, 4.0, 2.0, 4.0, 3.0, 0.0, 4.0, 1.0], [1, 2, 2, 2]);
        let y = x.max_pool3d([2; 3], &MaxPool3dConfig::default()).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
