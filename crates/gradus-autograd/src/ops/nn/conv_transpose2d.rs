//! Two-dimensional transposed convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::transposed_spec;
use crate::ops::support::conv::{ConvTransposeConfig, convolve_transposed};
use crate::registry::OpSpec;

impl Var {
    /// Transposed convolution: each element of the input adds the kernel, times itself, to the output; the gradient of
    /// [`Var::conv2d`] with respect to its input.
    ///
    /// # Shapes
    /// - `self`: `(N, C, H, W)`, or `(C, H, W)` for one
    /// - `weight`: `(C, O / groups, KH, KW)`, `bias`: `(O,)`
    /// - each side becomes `(L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1`
    ///
    /// # Numerics
    /// As the gradient of [`Var::conv2d`]; the bias is added at last. f32 or f64.
    ///
    /// # Gradient
    /// For the input a convolution, for the weight a product over all positions, for the bias a sum; any number of times.
    /// Saves input and weight.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::ShapeMismatch`] if channels differ or the bias is not `(O,)`;
    /// [`crate::Error::Argument`] if a stride, dilation or side is 0, `groups` does not divide the channels, `output_padding` is
    /// not less than stride or dilation, or `padding` cuts off everything; [`crate::Error::Overflow`];
    /// [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.conv_transpose2d`.
    pub fn conv_transpose2d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &ConvTransposeConfig<2>,
    ) -> Result<Self> {
        convolve_transposed("conv_transpose2d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    transposed_spec::<2>()
}

#[cfg(test)]
mod tests {
    use crate::ops::ConvTransposeConfig;
    use crate::ops::support::testing::*;
    use crate::{DType, Error, Tensor, Var};

    /// Stride and dilation differ, so that one in the other's place shows in sizes and values.
    #[test]
    fn museum_36_stride_and_dilation_keep_their_places() {
        let x = leaf(&[1.0_f64, 2.0], [1, 1, 1, 2]);
        let weight = leaf(&[1.0_f64, 10.0], [1, 1, 1, 2]);
        let config = ConvTransposeConfig {
            stride: [1, 2],
            dilation: [1, 3],
            ..Default::default()
        };
        let y = x.conv_transpose2d(&weight, None, &config).unwrap();
        assert_eq!(y.dims(), [1, 1, 1, 6]);
        assert_eq!(values(&y), [1.0, 0.0, 2.0, 10.0, 0.0, 20.0]);
        let grad = constant(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 1, 6]);
        let grads = y.backward_with(&grad).unwrap();
        let got = |v: &Var| grads.get_var(v).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got(&x), [41.0, 63.0]);
        assert_eq!(got(&weight), [7.0, 16.0]);
    }

    #[test]
    fn museum_36_sizes_of_the_output() {
        let x = Var::constant(Tensor::ones([1, 1, 3, 4], DType::F64).unwrap());
        let weight = Var::constant(Tensor::ones([1, 2, 3, 2], DType::F64).unwrap());
        let config = ConvTransposeConfig {
            stride: [2, 3],
            padding: [1, 0],
            output_padding: [1, 2],
            dilation: [1, 4],
            ..Default::default()
        };
        let y = x.conv_transpose2d(&weight, None, &config).unwrap();
        assert_eq!(y.dims(), [1, 2, 6, 16]);
    }

    #[test]
    fn rejects_what_is_no_transposed_convolution() {
        let x = Var::constant(sampled(&[1, 2, 3, 3], 1));
        let weight = Var::constant(sampled(&[2, 1, 2, 2], 2));
        let plain = ConvTransposeConfig::<2>::default();
        for config in [
            ConvTransposeConfig {
                stride: [0, 1],
                ..plain
            },
            ConvTransposeConfig {
                output_padding: [1, 0],
                ..plain
            },
            ConvTransposeConfig {
                padding: [2, 0],
                ..plain
            },
            ConvTransposeConfig { groups: 3, ..plain },
        ] {
            let got = x.conv_transpose2d(&weight, None, &config);
            assert!(
                matches!(got, Err(Error::Argument { .. })),
                "{config:?} {got:?}"
            );
        }
        let far = ConvTransposeConfig {
            dilation: [usize::MAX, 1],
            ..plain
        };
        let got = x.conv_transpose2d(&weight, None, &far);
        assert!(matches!(got, Err(Error::Overflow { .. })), "{got:?}");
        let got = x.conv_transpose2d(&Var::constant(sampled(&[3, 1, 2, 2], 2)), None, &plain);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.conv_transpose2d(&weight, Some(&weight), &plain);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
