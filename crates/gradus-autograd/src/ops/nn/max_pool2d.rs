//! The largest element of each window of an image.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::spec::max_spec;
use crate::ops::support::pool::{MaxPool2dConfig, max_pool};
use crate::registry::OpSpec;

impl Var {
    /// The largest element of each window of `kernel_size`.
    ///
    /// # Shapes
    /// `(N, C, H, W)`, or `(C, H, W)` for one image; the sides become
    /// `⌊(H + 2 padding - dilation (K - 1) - 1) / stride⌋ + 1`, rounded up with `ceil_mode` as long as the last window
    /// starts in the image or the padding before it.
    ///
    /// # Numerics
    /// Exact. NaN wins. A window that misses the image by its dilation gives -∞. f32 or f64.
    ///
    /// # Gradient
    /// All of a window's to its winner: the first of equal elements in row-major order. Keeps the winners' places.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::Argument`] if a side of image or window or a stride or dilation is 0, or the padding exceeds half the
    /// window; [`crate::Error::ShapeMismatch`] if no window fits; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::MaxPool2dConfig};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 5.0, 6.0, 4.0, 3.0, 8.0, 7.0], [1, 1, 2, 4])?);
    /// let y = x.max_pool2d([2, 2], &MaxPool2dConfig::default())?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [4.0, 8.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.max_pool2d`.
    pub fn max_pool2d(&self, kernel_size: [usize; 2], config: &MaxPool2dConfig) -> Result<Self> {
        max_pool("max_pool2d", self, kernel_size, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    max_spec::<2>("max_pool2d", false)
}

#[cfg(test)]
mod tests {
    use crate::ops::MaxPool2dConfig;
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};

    const PLAIN: MaxPool2dConfig = MaxPool2dConfig {
        stride: None,
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    };

    #[test]
    fn museum_38_ties_go_to_the_first_and_dilation_is_respected() {
        let slopes = |x: &[f64], dims: [usize; 3], kernel, config: &MaxPool2dConfig| {
            let x = leaf(x, dims);
            let y = x.max_pool2d(kernel, config).unwrap();
            let grads = y.sum(&[], false).unwrap().backward().unwrap();
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap()
        };
        assert_eq!(
            slopes(&[7.0; 4], [1, 2, 2], [2, 2], &PLAIN),
            [1.0, 0.0, 0.0, 0.0]
        );
        // The middle is in no window of two elements with a gap of one.
        let gap = MaxPool2dConfig {
            dilation: [1, 2],
            ..PLAIN
        };
        assert_eq!(
            slopes(&[1.0, 9.0, 2.0], [1, 1, 3], [1, 2], &gap),
            [0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn rejects_windows_that_do_not_fit() {
        let x = Var::constant(sampled(&[1, 2, 4, 4], 1));
        for (kernel, config) in [
            ([0, 2], PLAIN),
            (
                [2, 2],
                MaxPool2dConfig {
                    stride: Some([0, 1]),
                    ..PLAIN
                },
            ),
            (
                [2, 2],
                MaxPool2dConfig {
                    padding: [2, 0],
                    ..PLAIN
                },
            ),
        ] {
            let got = x.max_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        for (kernel, config) in [
            ([5, 2], PLAIN),
            (
                [2, 2],
                MaxPool2dConfig {
                    dilation: [usize::MAX, 1],
                    ..PLAIN
                },
            ),
        ] {
            let got = x.max_pool2d(kernel, &config);
            assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        }
        let flat = Var::constant(sampled(&[4, 4], 1)).max_pool2d([2, 2], &PLAIN);
        assert!(matches!(flat, Err(Error::Rank { .. })));
        let none = Var::constant(sampled(&[1, 2, 0, 4], 1)).max_pool2d([2, 2], &PLAIN);
        assert!(matches!(none, Err(Error::Argument { .. })));
        let integers = Var::constant(Tensor::ones([1, 4, 4], crate::DType::I64).unwrap());
        assert!(matches!(
            integers.max_pool2d([2, 2], &PLAIN),
            Err(Error::DType { .. })
        ));
    }
}
