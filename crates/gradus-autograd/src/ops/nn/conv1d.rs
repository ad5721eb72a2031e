//! One-dimensional convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::conv_spec;
use crate::ops::support::conv::{Conv1dConfig, convolve};
use crate::registry::OpSpec;

impl Var {
    /// Convolution of sequences with a kernel (cross-correlation, as all frameworks have it); [`Var::conv2d`] has the formula.
    ///
    /// # Shapes
    /// - `self`: `(N, C, L)`, or `(C, L)` for one
    /// - `weight`: `(O, C / groups, K)`, `bias`: `(O,)`
    /// - returns `(N, O, L')`, each side `⌊(L + 2 padding - dilation (K - 1) - 1) / stride⌋ + 1`
    ///
    /// # Numerics
    /// As [`Var::conv2d`]. f32 or f64.
    ///
    /// # Gradient
    /// As that of [`Var::conv2d`], any number of times. Saves input and weight.
    ///
    /// # Errors
    /// As [`Var::conv2d`].
    ///
    /// As `torch.nn.functional.conv1d`.
    pub fn conv1d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &Conv1dConfig,
    ) -> Result<Self> {
        convolve("conv1d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    conv_spec::<1>()
}

#[cfg(test)]
mod tests {
    use crate::ops::Conv1dConfig;
    use crate::ops::support::testing::*;
    use crate::{DType, Error, Tensor, Var};

    #[test]
    fn museum_35_the_tail_that_the_stride_leaves_has_gradient_0() {
        let x = Var::leaf(Tensor::ones([1, 1, 1603], DType::F64).unwrap());
        let weight = Var::leaf(Tensor::ones([1, 1, 4], DType::F64).unwrap());
        let config = Conv1dConfig {
            stride: [4],
            ..Default::default()
        };
        let y = x.conv1d(&weight, None, &config).unwrap();
        assert_eq!(y.dims(), [1, 1, 400]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert!(got[..1600].iter().all(|&g| g == 1.0) && got[1600..] == [0.0; 3]);
        let got = grads.get_var(&weight).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [400.0; 4]);
    }

    /// More elements than 32 bits can number, all of them one in memory.
    #[test]
    fn museum_47_an_input_beyond_two_billion_elements() {
        let one = Tensor::ones([1], DType::F32).unwrap();
        let x = Var::constant(one.expand([1, 1, (1 << 31) + 1]).unwrap());
        let weight = constant(&[2.0_f32], [1, 1, 1]);
        let config = Conv1dConfig {
            stride: [1 << 30],
            ..Default::default()
        };
        let y = x.conv1d(&weight, None, &config).unwrap();
        assert_eq!(values(&y), [2.0; 3]);
    }

    #[test]
    fn same_needs_stride_1_and_puts_the_odd_zero_behind() {
        let x = constant(&[1.0_f64, 2.0, 3.0], [1, 1, 3]);
        let weight = constant(&[1.0_f64, 10.0], [1, 1, 2]);
        let same = |stride| Conv1dConfig {
            stride: [stride],
            padding: crate::ops::ConvPadding::Same,
            ..Default::default()
        };
        let y = x.conv1d(&weight, None, &same(1)).unwrap();
        assert_eq!(values(&y), [21.0, 32.0, 3.0]);
        let got = x.conv1d(&weight, None, &same(2));
        assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
    }

    /// A kernel that reaches far over the image is not gathered.
    #[test]
    fn taps_far_outside_cost_no_memory() {
        let x = Var::leaf(tensor(&[1.0_f64, 2.0, 3.0], [1, 1, 3]));
        let weight = Var::leaf(tensor(&[1.0_f64, 10.0, 100.0], [1, 1, 3]));
        let far = 1_usize << 52;
        let config = Conv1dConfig {
            padding: [far].into(),
            dilation: [far],
            ..Default::default()
        };
        let y = x.conv1d(&weight, None, &config).unwrap();
        assert_eq!(values(&y), [10.0, 20.0, 30.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = |v: &Var| grads.get_var(v).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got(&x), [10.0; 3]);
        assert_eq!(got(&weight), [0.0, 6.0, 0.0]);
    }
}
