//! Three-dimensional convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::conv_spec;
use crate::ops::support::conv::{Conv3dConfig, convolve};
use crate::registry::OpSpec;

impl Var {
    /// Convolution of volumes with a kernel (cross-correlation, as all frameworks have it); [`Var::conv2d`] has the formula.
    ///
    /// # Shapes
    /// - `self`: `(N, C, D, H, W)`, or `(C, D, H, W)` for one
    /// - `weight`: `(O, C / groups, KD, KH, KW)`, `bias`: `(O,)`
    /// - returns `(N, O, D', H', W')`, each side `⌊(L + 2 padding - dilation (K - 1) - 1) / stride⌋ + 1`
    ///
    /// # Numerics
    /// As [`Var::conv2d`], whose sums over the planes of a kernel are one sum here. f32 or f64.
    ///
    /// # Gradient
    /// As that of [`Var::conv2d`], any number of times. Saves input and weight.
    ///
    /// # Errors
    /// As [`Var::conv2d`].
    ///
    /// As `torch.nn.functional.conv3d`.
    pub fn conv3d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &Conv3dConfig,
    ) -> Result<Self> {
        convolve("conv3d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    conv_spec::<3>()
}

#[cfg(test)]
mod tests {
    use crate::ops::Conv3dConfig;
    use crate::ops::support::testing::*;
    use crate::{DType, Error, Tensor, Var};

    #[test]
    fn museum_32_many_channels_groups_and_a_long_stride() {
        for channels in [6, 24] {
            let x = Var::constant(Tensor::ones([1, channels, 6, 6, 4], DType::F64).unwrap());
            let dims = [channels, channels / 3, 2, 2, 2];
            let weight = Var::leaf(Tensor::ones(dims, DType::F64).unwrap());
            let config = Conv3dConfig {
                stride: [4, 4, 1],
                padding: [1, 1, 1].into(),
                groups: 3,
                ..Default::default()
            };
            let y = x.conv3d(&weight, None, &config).unwrap();
            assert_eq!(y.dims(), [1, channels, 2, 2, 5]);
            let grads = y.sum(&[], false).unwrap().backward().unwrap();
            let got = grads.get_var(&weight).unwrap().to_vec::<f64>().unwrap();
            // The first tap misses at the first place of depth and height, of two; columns 4 of 5 either way.
            let want = [4.0, 4.0, 8.0, 8.0, 8.0, 8.0, 16.0, 16.0];
            assert!(got.chunks(8).all(|kernel| kernel == want), "{got:?}");
        }
    }

    #[test]
    fn museum_37_slices_of_a_grouped_gradient() {
        let x = Var::leaf(Tensor::ones([2, 4, 3, 3, 3], DType::F64).unwrap());
        let weight = Var::leaf(sampled(&[4, 2, 2, 2, 2], 1));
        let config = Conv3dConfig {
            groups: 2,
            ..Default::default()
        };
        let y = x.conv3d(&weight, None, &config).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        // The corner (0, 0, 0) of channel c is read by tap 0 of the two kernels of its group.
        let kernels = weight.tensor().to_vec::<f64>().unwrap();
        for (c, corner) in got.chunks(27).map(|channel| channel[0]).enumerate() {
            let (group, own) = (c % 4 / 2, c % 2);
            let tap = |o: usize| kernels[((group * 2 + o) * 2 + own) * 8];
            assert!((corner - (tap(0) + tap(1))).abs() < 1e-14);
        }
        assert_eq!(
            grads.get_var(&weight).unwrap().to_vec::<f64>().unwrap(),
            [16.0; 64]
        );
        let got = x.conv3d(&constant(&[1.0_f64], [1, 1, 1, 1]), None, &config);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
