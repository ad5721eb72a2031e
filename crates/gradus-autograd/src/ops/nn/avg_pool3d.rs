//! The mean of each window of a volume.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::avg_spec;
use crate::ops::support::pool::{AvgPool3dConfig, avg_pool};
use crate::registry::OpSpec;

impl Var {
    /// The mean of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, D, H, W)`, or `(C, D, H, W)` for one volume; sides as [`Var::avg_pool2d`].
    ///
    /// # Numerics
    /// As [`Var::avg_pool2d`].
    ///
    /// # Gradient
    /// As that of [`Var::avg_pool2d`].
    ///
    /// # Errors
    /// As [`Var::avg_pool2d`].
    ///
    /// As `torch.nn.functional.avg_pool3d`.
    pub fn avg_pool3d(&self, kernel_size: [usize; 3], config: &AvgPool3dConfig) -> Result<Self> {
        avg_pool("avg_pool3d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    avg_spec::<3>("avg_pool3d")
}

#[cfg(test)]
mod tests {
    use crate::ops::AvgPool3dConfig;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_39_what_hangs_over_does_not_count() {
        let x = leaf(&[1.0, 2.0, 3.0], [1, 3, 1, 1]);
        let config = AvgPool3dConfig {
            ceil_mode: true,
            ..Default::default()
        };
        let y = x.avg_pool3d([2, 1, 1], &config).unwrap();
        assert_eq!(values(&y), [1.5, 3.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.5, 0.5, 1.0]);
    }
}
