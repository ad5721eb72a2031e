//! Three-dimensional transposed convolution.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::conv::spec::transposed_spec;
use crate::ops::support::conv::{ConvTransposeConfig, convolve_transposed};
use crate::registry::OpSpec;

impl Var {
    /// Transposed convolution over three sides: see [`Var::conv_transpose2d`].
    ///
    /// # Shapes
    /// - `self`: `(N, C, D, H, W)`, or `(C, D, H, W)` for one
    /// - `weight`: `(C, O / groups, KD, KH, KW)`, `bias`: `(O,)`
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
    /// As `torch.nn.functional.conv_transpose3d`.
    pub fn conv_transpose3d(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        config: &ConvTransposeConfig<3>,
    ) -> Result<Self> {
        convolve_transposed("conv_transpose3d", self, weight, bias, config)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    transposed_spec::<3>()
}
