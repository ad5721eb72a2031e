//! Images, sequences and volumes brought to another size, as a module.

use gradus_autograd::ops::{InterpolateConfig, InterpolateMode, InterpolateTo};
use gradus_autograd::{Result, Var};

use crate::{Ctx, Module};

/// Brings the sides to a size or by a factor; `torch.nn.Upsample`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample {
    sides: Sides,
    config: InterpolateConfig,
}

#[derive(Clone, Debug, PartialEq)]
enum Sides {
    Size(Vec<usize>),
    Scale(Vec<f64>),
}

impl Upsample {
    /// To these sides; one stands for all.
    pub fn to_size(size: &[usize], config: InterpolateConfig) -> Self {
        let sides = Sides::Size(size.to_vec());
        Self { sides, config }
    }

    /// By these factors; one stands for all.
    pub fn by_factor(scale_factor: &[f64], config: InterpolateConfig) -> Self {
        let sides = Sides::Scale(scale_factor.to_vec());
        Self { sides, config }
    }

    /// Images by a factor, each element by its nearest; `torch.nn.UpsamplingNearest2d`.
    pub fn nearest2d(scale_factor: f64) -> Self {
        Self::by_factor(&[scale_factor; 2], InterpolateConfig::default())
    }

    /// Images by a factor, linearly between the centres of the corners; `torch.nn.UpsamplingBilinear2d`.
    pub fn bilinear2d(scale_factor: f64) -> Self {
        let config = InterpolateConfig {
            mode: InterpolateMode::Linear,
            align_corners: true,
            ..InterpolateConfig::default()
        };
        Self::by_factor(&[scale_factor; 2], config)
    }
}

impl Module for Upsample {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let to = match &self.sides {
            Sides::Size(size) => InterpolateTo::Size(size),
            Sides::Scale(factors) => InterpolateTo::Scale(factors),
        };
        x.interpolate(to, &self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn shapes_and_no_keys() {
        check(&[], &[1, 2, 3, 3], &[1, 2, 6, 6], |_| {
            Ok(Upsample::nearest2d(2.0))
        });
        check(&[], &[1, 2, 3, 3], &[1, 2, 6, 6], |_| {
            Ok(Upsample::bilinear2d(2.0))
        });
        check(&[], &[1, 2, 3], &[1, 2, 5], |_| {
            Ok(Upsample::to_size(&[5], InterpolateConfig::default()))
        });
    }
}
