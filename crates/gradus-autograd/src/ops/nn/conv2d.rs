//! Two-dimensional convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::conv_spec;
use crate::ops::support::conv::{Conv2dConfig, convolve};
use crate::registry::OpSpec;

impl Var {
    /// Convolution of images with a kernel (cross-correlation, as all frameworks have it):
    /// `y[n, o, i, j] = bias[o] + Σ x[n, c, i · stride + a · dilation - padding, …] · weight[o, c, a, b]`.
    ///
    /// # Shapes
    /// - `self`: `(N, C, H, W)`, or `(C, H, W)` for one image
    /// - `weight`: `(O, C / groups, KH, KW)`, `bias`: `(O,)`
    /// - returns `(N, O, H', W')` with `H' = ⌊(H + 2 padding - dilation (KH - 1) - 1) / stride⌋ + 1`; with padding `Same` and stride 1, `H' = H`
    ///
    /// # Numerics
    /// Sums run in the dtype, in parts whose size depends on the shapes only. f32 or f64, all alike.
    ///
    /// # Gradient
    /// For the input a transposed convolution, for the weight a product over all positions, for the bias a sum. Can be
    /// differentiated any number of times. Saves input and weight.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::ShapeMismatch`] if channels differ, the kernel does not fit, or the bias is not `(O,)`;
    /// [`crate::Error::Argument`] if a stride, dilation or kernel side is 0, `groups` does not divide the channels, or padding is `Same` and a stride not 1;
    /// [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{DType, Tensor, Var, ops::Conv2dConfig};
    /// let image = Var::from(Tensor::ones([1, 1, 3, 3], DType::F32)?);
    /// let kernel = Var::from(Tensor::ones([1, 1, 3, 3], DType::F32)?);
    /// let config = Conv2dConfig { padding: [1, 1].into(), ..Conv2dConfig::default() };
    /// let y = image.conv2d(&kernel, None, &config)?;
    /// assert_eq!(y.tensor().to_vec::<f32>()?, [4.0, 6.0, 4.0, 6.0, 9.0, 6.0, 4.0, 6.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.conv2d`.
    pub fn conv2d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &Conv2dConfig,
    ) -> Result<Self> {
        convolve("conv2d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    conv_spec::<2>()
}

#[cfg(test)]
mod tests {
    use crate::ops::Conv2dConfig;
    use crate::ops::support::testing::*;
    use crate::{DType, Error, Tensor, Var};
    use gradus_testing::conv::ConvCase;

    const PLAIN: ConvCase = ConvCase {
        batch: 2,
        c_in: 2,
        c_out: 3,
        groups: 1,
        input: [4, 5],
        kernel: [3, 2],
        stride: [1, 1],
        padding: [[0, 0], [0, 0]],
        dilation: [1, 1],
    };

    fn config(case: &ConvCase) -> Conv2dConfig {
        let ConvCase {
            stride,
            padding,
            dilation,
            groups,
            ..
        } = *case;
        Conv2dConfig {
            stride,
            padding: padding.map(|p| p[0]).into(),
            dilation,
            groups,
        }
    }

    /// Input, weight and bias.
    fn operands(case: &ConvCase) -> [Tensor; 3] {
        let x = sampled(&[case.batch, case.c_in, case.input[0], case.input[1]], 1);
        let weight = sampled(
            &[
                case.c_out,
                case.c_in / case.groups,
                case.kernel[0],
                case.kernel[1],
            ],
            2,
        );
        [x, weight, sampled(&[case.c_out], 3)]
    }

    #[test]
    fn museum_46_dims_of_size_0() {
        let with = |v: &[Var]| {
            v[0].conv2d(
                &v[1],
                Some(&v[2]),
                &Conv2dConfig {
                    padding: [1, 1].into(),
                    ..Default::default()
                },
            )
        };
        check_empty(with, &[&[0, 2, 4, 4], &[3, 2, 3, 3], &[3]]);
        check_empty(with, &[&[2, 2, 4, 4], &[0, 2, 3, 3], &[0]]);
        check_empty(with, &[&[2, 0, 4, 4], &[3, 0, 3, 3], &[3]]);
        check_empty(with, &[&[2, 2, 1, 1], &[3, 2, 3, 3], &[3]]);
    }

    #[test]
    fn museum_30_groups_of_a_pointwise_kernel() {
        let x = constant(&[0.0_f64, 0.0, 0.0, 1.0], [1, 4, 1, 1]);
        let weight = Var::constant(Tensor::ones([16, 2, 1, 1], DType::F64).unwrap());
        let y = x
            .conv2d(
                &weight,
                None,
                &Conv2dConfig {
                    groups: 2,
                    ..Default::default()
                },
            )
            .unwrap();
        let want: Vec<f64> = (0..16).map(|channel| f64::from(channel >= 8)).collect();
        assert_eq!(values(&y), want);
    }

    #[test]
    fn museum_31_depthwise_gradient_of_24_channels() {
        for channels in [23, 24, 25] {
            let x = Var::constant(Tensor::ones([1, channels, 6, 6], DType::F64).unwrap());
            let weight = Var::leaf(Tensor::ones([channels, 1, 3, 3], DType::F64).unwrap());
            let config = Conv2dConfig {
                stride: [2, 2],
                padding: [1, 1].into(),
                groups: channels,
                ..Default::default()
            };
            let y = x.conv2d(&weight, None, &config).unwrap();
            let grads = y.sum(&[], false).unwrap().backward().unwrap();
            let got = grads.get_var(&weight).unwrap().to_vec::<f64>().unwrap();
            assert!(
                got.chunks(9)
                    .all(|kernel| kernel == [4.0, 6.0, 6.0, 6.0, 9.0, 9.0, 6.0, 9.0, 9.0]),
                "{got:?}"
            );
        }
    }

    #[test]
    fn museum_33_equal_sides_do_not_confuse_the_layout() {
        let case = ConvCase {
            batch: 3,
            c_in: 3,
            c_out: 3,
            input: [3, 3],
            kernel: [2, 2],
            dilation: [2, 2],
            ..PLAIN
        };
        let all = operands(&case);
        let [x, weight, _] = all.clone().map(|x| x.to_vec::<f64>().unwrap());
        check_forward(
            |v| v[0].conv2d(&v[1], None, &config(&case)),
            &all[..2],
            &case.forward(&x, &weight, None),
        );
    }

    /// A kernel cut out of another one: its start and its strides count.
    #[test]
    fn museum_34_a_slice_of_a_weight() {
        let whole = constant(&[0.0_f64, 1.0, 0.0, 2.0, 0.0, 3.0], [1, 1, 1, 6]);
        let weight = whole.slice(-1, 1, 6, 2).unwrap(); // 1, 2, 3
        let x = constant(&[1.0_f64, 10.0, 100.0], [1, 1, 1, 3]);
        let y = x.conv2d(&weight, None, &Conv2dConfig::default()).unwrap();
        assert_eq!(values(&y), [321.0]);
        let y = x
            .flip(&[-1])
            .unwrap()
            .conv2d(&weight, None, &Conv2dConfig::default())
            .unwrap();
        assert_eq!(values(&y), [123.0]);
    }

    #[test]
    fn museum_35_the_tail_that_the_stride_leaves_has_gradient_0() {
        let x = Var::leaf(Tensor::ones([1, 1, 1, 1603], DType::F64).unwrap());
        let weight = Var::constant(Tensor::ones([1, 1, 1, 4], DType::F64).unwrap());
        let y = x
            .conv2d(
                &weight,
                None,
                &Conv2dConfig {
                    stride: [1, 4],
                    ..Default::default()
                },
            )
            .unwrap();
        assert_eq!(y.dims(), [1, 1, 1, 400]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert!(got[..1600].iter().all(|&g| g == 1.0) && got[1600..] == [0.0; 3]);
    }

    #[test]
    fn rejects_what_is_no_convolution() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        let (image, weight) = (x(&[1, 4, 5, 5]), x(&[6, 4, 3, 3]));
        let with = |config: Conv2dConfig| image.conv2d(&weight, None, &config);
        let plain = Conv2dConfig::default();
        for config in [
            Conv2dConfig {
                stride: [0, 1],
                ..plain
            },
            Conv2dConfig {
                dilation: [1, 0],
                ..plain
            },
            Conv2dConfig { groups: 0, ..plain },
            Conv2dConfig { groups: 4, ..plain },
        ] {
            let got = with(config);
            assert!(
                matches!(got, Err(Error::Argument { .. })),
                "{config:?} {got:?}"
            );
        }
        for config in [
            Conv2dConfig { groups: 2, ..plain },
            Conv2dConfig {
                dilation: [3, 1],
                ..plain
            },
            Conv2dConfig {
                padding: [usize::MAX, 0].into(),
                ..plain
            },
        ] {
            let got = with(config);
            assert!(
                matches!(got, Err(Error::ShapeMismatch { .. })),
                "{config:?} {got:?}"
            );
        }
        assert!(matches!(
            image.conv2d(&weight, Some(&x(&[5])), &plain),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            image.conv2d(&x(&[6, 4, 0, 3]), None, &plain),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(
            x(&[4, 5]).conv2d(&weight, None, &plain),
            Err(Error::Rank { .. })
        ));
        let single = Var::constant(Tensor::ones([6, 4, 3, 3], DType::F32).unwrap());
        assert!(matches!(
            image.conv2d(&single, None, &plain),
            Err(Error::DTypeMismatch { .. })
        ));
    }
}
