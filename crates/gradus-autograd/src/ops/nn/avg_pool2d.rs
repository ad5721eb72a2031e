//! The mean of each window of an image.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::avg_spec;
use crate::ops::support::pool::{AvgPool2dConfig, avg_pool};
use crate::registry::OpSpec;

impl Var {
    /// The mean of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become `⌊(H + 2 padding - K) / stride⌋ + 1`, rounded up
    /// with `ceil_mode` as long as the last window starts in the image or the padding before it.
    ///
    /// # Numerics
    /// Sums in f64, one rounding. f32 or f64.
    ///
    /// # Gradient
    /// Each window's `grad_out`, divided as its sum was, to all its elements. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::Argument`] if a side of image or window, a stride or the divisor is 0, or the
    /// padding exceeds half the window; [`crate::Error::ShapeMismatch`] if no window fits; [`crate::Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::AvgPool2dConfig};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// let y = x.avg_pool2d([2, 2], &AvgPool2dConfig::default())?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [2.5, 6.5]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.avg_pool2d`.
    pub fn avg_pool2d(&self, kernel_size: [usize; 2], config: &AvgPool2dConfig) -> Result<Self> {
        avg_pool("avg_pool2d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    avg_spec::<2>("avg_pool2d")
}

#[cfg(test)]
mod tests {
    use crate::ops::AvgPool2dConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    const PLAIN: AvgPool2dConfig = AvgPool2dConfig {
        stride: None,
        padding: [0, 0],
        ceil_mode: false,
        count_include_pad: true,
        divisor_override: None,
    };

    #[test]
    fn museum_39_what_hangs_over_does_not_count() {
        let x = leaf(&(0..49).map(f64::from).collect::<Vec<_>>(), [1, 7, 7]);
        let config = AvgPool2dConfig {
            stride: Some([3, 3]),
            ceil_mode: true,
            ..PLAIN
        };
        let y = x.avg_pool2d([2, 2], &config).unwrap();
        assert_eq!(
            values(&y),
            [4.0, 7.0, 9.5, 25.0, 28.0, 30.5, 42.5, 45.5, 48.0]
        );
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(
            [got[0], got[6], got[42], got[48], got[2]],
            [0.25, 0.5, 0.5, 1.0, 0.0]
        );
    }

    #[test]
    fn museum_49_the_mean_of_ones_is_one() {
        let x = Var::constant(Tensor::ones([1, 1, 100, 100], crate::DType::F32).unwrap());
        assert_eq!(values(&x.avg_pool2d([100, 100], &PLAIN).unwrap()), [1.0]);
    }

    #[test]
    fn rejects_windows_that_do_not_fit() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        for (kernel, config) in [
            ([0, 2], PLAIN),
            (
                [2, 2],
                AvgPool2dConfig {
                    stride: Some([0, 1]),
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                AvgPool2dConfig {
                    padding: [2, 0],
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                AvgPool2dConfig {
                    divisor_override: Some(0),
                    ..PLAIN
                },
            ),
        ] {
            let got = x.avg_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = x.avg_pool2d([5, 2], &PLAIN);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.avg_pool2d([2, 2], &PLAIN),
            Err(Error::DType { .. })
        ));
    }
}
