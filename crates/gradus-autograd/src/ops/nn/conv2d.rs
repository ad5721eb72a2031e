//! Two-dimensional convolution. Letters: N batch, C channels in, O channels out, G groups, H and W sides, K the kernel's.

use gradus_linalg::conv::{self, Conv2d as Geometry};
use gradus_tensor::{Error, Result, Shape, Tensor};

use crate::ops::support::{require, same_dtype, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How the kernel moves over the input. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Steps of the kernel, down and across. Default 1.
    pub stride: [usize; 2],
    /// Zeros added on both sides of height and width. Default 0.
    pub padding: [usize; 2],
    /// Distance between the kernel's elements. Default 1.
    pub dilation: [usize; 2],
    /// Independent parts that the channels are cut into. Default 1.
    pub groups: usize,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

impl Conv2dConfig {
    /// The sizes of a convolution, if it is one.
    fn geometry(&self, x: &Shape, weight: &Shape) -> Result<Geometry> {
        let op = "conv2d";
        let [batch, c_in, height, width] = x.to_array(op)?;
        let [c_out, per_group, kernel_height, kernel_width] = weight.to_array(op)?;
        let kernel = [kernel_height, kernel_width];
        for d in 0..2 {
            for (name, value) in [
                ("stride", self.stride[d]),
                ("dilation", self.dilation[d]),
                ("kernel size", kernel[d]),
            ] {
                require(value > 0, op, name, "at least 1", value as f64)?;
            }
        }
        let groups = self.groups;
        let divides = groups > 0 && c_in.is_multiple_of(groups) && c_out.is_multiple_of(groups);
        require(
            divides,
            op,
            "groups",
            "a divisor of both numbers of channels",
            groups as f64,
        )?;
        let mismatch = |rule| Error::ShapeMismatch {
            op,
            lhs: *x,
            rhs: *weight,
            rule,
        };
        if c_in / groups != per_group {
            return Err(mismatch("the weight is (out, in / groups, height, width)"));
        }
        let geometry = Geometry {
            batch,
            c_in,
            c_out,
            groups,
            input: [height, width],
            kernel,
            stride: self.stride,
            padding: self.padding.map(|p| [p, p]),
            dilation: self.dilation,
        };
        match geometry.output() {
            Some(_) => Ok(geometry),
            None => Err(mismatch(
                "the kernel, with its dilation, must fit into the padded input",
            )),
        }
    }
}

/// `(N, C, H, W)`
fn input_shape(g: &Geometry) -> Result<Shape> {
    Shape::new(&[g.batch, g.c_in, g.input[0], g.input[1]])
}

/// `(O, C / G, K, K)`
fn weight_shape(g: &Geometry) -> Result<Shape> {
    Shape::new(&[g.c_out, g.c_in / g.groups, g.kernel[0], g.kernel[1]])
}

/// `(N, O, H', W')`
fn output_shape(g: &Geometry) -> Result<Shape> {
    let overflow = Error::Overflow {
        op: "conv2d",
        what: "output size",
    };
    let [height, width] = g.output().ok_or(overflow)?;
    Shape::new(&[g.batch, g.c_out, height, width])
}

/// Inputs: x, weight, and maybe bias `(O,)`.
#[derive(Clone, Copy, Debug)]
struct Conv2d(Geometry);

/// Inputs: the output's gradient, weight. Linear in both, and so its own gradients are convolutions again.
#[derive(Clone, Copy, Debug)]
struct GradInput(Geometry);

/// Inputs: the output's gradient, x. Linear in both.
#[derive(Clone, Copy, Debug)]
struct GradWeight(Geometry);

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (x, weight) = (inputs[0], inputs[1]);
        with_float!(x.dtype(), self.name(), T => {
            let (x, weight) = (x.view::<T>()?, weight.view::<T>()?);
            let bias = inputs.get(2).map(|bias| bias.contiguous()).transpose()?;
            let bias = bias.as_ref().map(|bias| bias.as_slice::<T>()).transpose()?;
            let y = Tensor::build(output_shape(&self.0)?, |dst: &mut [T]| conv::conv2d(dst, x, weight, bias, &self.0))?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let x = || apply(GradInput(self.0), &[&grad, &ctx.input(1)?]);
        let weight = || apply(GradWeight(self.0), &[&grad, &ctx.input(0)?]);
        let mut grads = vec![
            ctx.needs(0).then(x).transpose()?,
            ctx.needs(1).then(weight).transpose()?,
        ];
        if ctx.input_count() == 3 {
            grads.push(
                ctx.needs(2)
                    .then(|| grad.sum(&[0, 2, 3], false))
                    .transpose()?,
            );
        }
        Ok(grads)
    }
}

impl Op for GradInput {
    fn name(&self) -> &'static str {
        "conv2d_backward_input"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => {
            let (grad, weight) = (inputs[0].view::<T>()?, inputs[1].view::<T>()?);
            let grad_in = Tensor::build(input_shape(&self.0)?, |dst: &mut [T]| {
                conv::conv2d_grad_input(dst, grad, weight, &self.0);
            })?;
            Ok(grad_in.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let x = ctx.grad(grad_out, 0)?;
        let grad = || apply(Conv2d(self.0), &[&x, &ctx.input(1)?]);
        let weight = || apply(GradWeight(self.0), &[&ctx.input(0)?, &x]);
        Ok(vec![
            ctx.needs(0).then(grad).transpose()?,
            ctx.needs(1).then(weight).transpose()?,
        ])
    }
}

impl Op for GradWeight {
    fn name(&self) -> &'static str {
        "conv2d_backward_weight"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => {
            let (grad, x) = (inputs[0].view::<T>()?, inputs[1].view::<T>()?);
            let grad_weight = Tensor::build(weight_shape(&self.0)?, |dst: &mut [T]| {
                conv::conv2d_grad_weight(dst, grad, x, &self.0);
            })?;
            Ok(grad_weight.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let weight = ctx.grad(grad_out, 0)?;
        let grad = || apply(Conv2d(self.0), &[&ctx.input(1)?, &weight]);
        let x = || apply(GradInput(self.0), &[&ctx.input(0)?, &weight]);
        Ok(vec![
            ctx.needs(0).then(grad).transpose()?,
            ctx.needs(1).then(x).transpose()?,
        ])
    }
}

impl Var {
    /// Convolution of images with a kernel (cross-correlation, as all frameworks have it):
    /// `y[n, o, i, j] = bias[o] + Σ x[n, c, i · stride + a · dilation - padding, …] · weight[o, c, a, b]`.
    ///
    /// # Shapes
    /// - `self`: `(N, C, H, W)`, or `(C, H, W)` for one image
    /// - `weight`: `(O, C / groups, KH, KW)`, `bias`: `(O,)`
    /// - returns `(N, O, H', W')` with `H' = ⌊(H + 2 padding - dilation (KH - 1) - 1) / stride⌋ + 1`
    ///
    /// # Numerics
    /// Sums run in the dtype, in parts whose size depends on the shapes only. f32 or f64, all alike.
    ///
    /// # Gradient
    /// For the input a transposed convolution, for the weight a product over all positions, for the bias a sum. Can be
    /// differentiated any number of times. Saves input and weight.
    ///
    /// # Errors
    /// [`Error::Rank`]; [`Error::ShapeMismatch`] if channels differ, the kernel does not fit, or the bias is not `(O,)`;
    /// [`Error::Argument`] if a stride, dilation or kernel side is 0 or `groups` does not divide the channels;
    /// [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{DType, Tensor, Var, ops::Conv2dConfig};
    /// let image = Var::from(Tensor::ones([1, 1, 3, 3], DType::F32)?);
    /// let kernel = Var::from(Tensor::ones([1, 1, 3, 3], DType::F32)?);
    /// let config = Conv2dConfig { padding: [1, 1], ..Conv2dConfig::default() };
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
        if self.rank() == 3 {
            return self.unsqueeze(0)?.conv2d(weight, bias, config)?.squeeze(0);
        }
        let geometry = config.geometry(self.shape(), weight.shape())?;
        same_dtype("conv2d", self.tensor(), weight.tensor())?;
        let Some(bias) = bias else {
            return apply(Conv2d(geometry), &[self, weight]);
        };
        same_dtype("conv2d", self.tensor(), bias.tensor())?;
        if *bias.shape() != [geometry.c_out] {
            return Err(Error::ShapeMismatch {
                op: "conv2d",
                lhs: *weight.shape(),
                rhs: *bias.shape(),
                rule: "the bias has one element for each channel out",
            });
        }
        apply(Conv2d(geometry), &[self, weight, bias])
    }
}

#[cfg(test)]
mod tests {
    use super::Conv2dConfig;
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

    /// Plain, strided and padded, dilated, grouped, depthwise, pointwise; one where the stride leaves a rest.
    fn cases() -> Vec<ConvCase> {
        vec![
            PLAIN,
            ConvCase {
                stride: [2, 1],
                padding: [[1, 1], [2, 2]],
                ..PLAIN
            },
            ConvCase {
                dilation: [1, 3],
                padding: [[0, 0], [1, 1]],
                ..PLAIN
            },
            ConvCase {
                c_in: 4,
                c_out: 2,
                groups: 2,
                ..PLAIN
            },
            ConvCase {
                c_in: 3,
                c_out: 6,
                groups: 3,
                stride: [2, 2],
                padding: [[1, 1], [1, 1]],
                ..PLAIN
            },
            ConvCase {
                kernel: [1, 1],
                ..PLAIN
            },
            ConvCase {
                kernel: [1, 1],
                stride: [2, 2],
                ..PLAIN
            },
            ConvCase {
                batch: 1,
                input: [2, 2],
                kernel: [2, 2],
                c_in: 2,
                c_out: 2,
                ..PLAIN
            },
            ConvCase {
                input: [1, 7],
                kernel: [1, 4],
                stride: [1, 2],
                ..PLAIN
            },
        ]
    }

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
            padding: padding.map(|p| p[0]),
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
    fn forward_matches_reference() {
        for case in cases() {
            let all = operands(&case);
            let [x, weight, bias] = all.clone().map(|x| x.to_vec::<f64>().unwrap());
            let want = case.forward(&x, &weight, Some(&bias));
            check_forward(
                |v| v[0].conv2d(&v[1], Some(&v[2]), &config(&case)),
                &all,
                &want,
            );
            let want = case.forward(&x, &weight, None);
            check_forward(
                |v| v[0].conv2d(&v[1], None, &config(&case)),
                &all[..2],
                &want,
            );
        }
        let one = Var::constant(sampled(&[2, 4, 5], 1)).conv2d(
            &Var::constant(sampled(&[3, 2, 3, 2], 2)),
            None,
            &config(&PLAIN),
        );
        assert_eq!(one.unwrap().dims(), [3, 2, 4]);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for case in cases() {
            let small = ConvCase {
                batch: 1,
                input: case.input.map(|side| side.min(4)),
                ..case
            };
            check_gradient(
                |v| v[0].conv2d(&v[1], Some(&v[2]), &config(&small)),
                &operands(&small),
            );
        }
    }

    #[test]
    fn gradient_matches_reference() {
        for case in cases() {
            let [x, weight, _] = operands(&case);
            let [oh, ow] = case.output();
            let grad = sampled(&[case.batch, case.c_out, oh, ow], 77)
                .to_vec::<f64>()
                .unwrap();
            let got = gradients(
                |v| v[0].conv2d(&v[1], None, &config(&case)),
                &[x.clone(), weight.clone()],
                false,
            );
            let want = case.grad_input(&grad, &weight.to_vec::<f64>().unwrap());
            gradus_testing::check_close("input", &got[0], &want, 1e-12, 1e-12);
            let want = case.grad_weight(&grad, &x.to_vec::<f64>().unwrap());
            gradus_testing::check_close("weight", &got[1], &want, 1e-12, 1e-12);
        }
    }

    #[test]
    fn accepts_strided_views() {
        for case in cases() {
            check_layouts(
                |v| v[0].conv2d(&v[1], Some(&v[2]), &config(&case)),
                &operands(&case),
            );
        }
    }

    #[test]
    fn museum_46_dims_of_size_0() {
        let with = |v: &[Var]| {
            v[0].conv2d(
                &v[1],
                Some(&v[2]),
                &Conv2dConfig {
                    padding: [1, 1],
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
                padding: [1, 1],
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
                padding: [usize::MAX, 0],
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
