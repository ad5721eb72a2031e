//! One-dimensional transposed convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::transposed_spec;
use crate::ops::support::conv::{ConvTransposeConfig, convolve_transposed};
use crate::registry::OpSpec;

impl Var {
    /// Transposed convolution over one side: see [`Var::conv_transpose2d`].
    ///
    /// # Shapes
    /// - `self`: `(N, C, L)`, or `(C, L)` for one
    /// - `weight`: `(C, O / groups, K)`, `bias`: `(O,)`
    /// - each side becomes `(L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1`
    ///
    /// # Numerics
    /// As [`Var::conv_transpose2d`].
    ///
    /// # Gradient
    /// As [`Var::conv_transpose2d`].
    ///
    /// # Errors
    /// As [`Var::conv_transpose2d`].
    ///
    /// As `torch.nn.functional.conv_transpose1d`.
    pub fn conv_transpose1d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &ConvTransposeConfig<1>,
    ) -> Result<Self> {
        convolve_transposed("conv_transpose1d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    transposed_spec::<1>()
}

#[cfg(test)]
mod tests {
    use crate::ops::ConvTransposeConfig;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_36_values_with_a_bias() {
        let x = constant(&[1.0_f64, 2.0], [1, 1, 2]);
        let weight = constant(&[1.0_f64, 10.0, 100.0], [1, 1, 3]);
        let bias = constant(&[0.5_f64], 1);
        let y = x.conv_transpose1d(&weight, Some(&bias), &ConvTransposeConfig::default());
        assert_eq!(values(&y.unwrap()), [1.5, 12.5, 120.5, 200.5]);
    }
}
