//! Poolings over one, two or three sides as modules.

use gradus_autograd::ops::{AvgPoolConfig, MaxPoolConfig};
use gradus_autograd::{Result, Var};

use crate::{Ctx, Module};

/// The maximum of each window of `D` sides: `(N, C, sides…) -> (N, C, sides'…)`, or without `N`.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool<const D: usize> {
    kernel_size: [usize; D],
    config: MaxPoolConfig<D>,
}

/// `torch.nn.MaxPool1d`.
pub type MaxPool1d = MaxPool<1>;
/// `torch.nn.MaxPool2d`.
pub type MaxPool2d = MaxPool<2>;
/// `torch.nn.MaxPool3d`.
pub type MaxPool3d = MaxPool<3>;

impl<const D: usize> MaxPool<D> {
    /// Pooling over windows of `kernel_size`.
    pub fn new(kernel_size: [usize; D], config: MaxPoolConfig<D>) -> Self {
        Self {
            kernel_size,
            config,
        }
    }
}

impl<const D: usize> Module for MaxPool<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.max_pool_nd(self.kernel_size, &self.config)
    }
}

/// The mean of each window of `D` sides: `(N, C, sides…) -> (N, C, sides'…)`, or without `N`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool<const D: usize> {
    kernel_size: [usize; D],
    config: AvgPoolConfig<D>,
}

/// `torch.nn.AvgPool1d`.
pub type AvgPool1d = AvgPool<1>;
/// `torch.nn.AvgPool2d`.
pub type AvgPool2d = AvgPool<2>;
/// `torch.nn.AvgPool3d`.
pub type AvgPool3d = AvgPool<3>;

impl<const D: usize> AvgPool<D> {
    /// Pooling over windows of `kernel_size`.
    pub fn new(kernel_size: [usize; D], config: AvgPoolConfig<D>) -> Self {
        Self {
            kernel_size,
            config,
        }
    }
}

impl<const D: usize> Module for AvgPool<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.avg_pool_nd(self.kernel_size, &self.config)
    }
}

/// The power mean of each window of `D` sides times its size, `(Σ x^p)^(1/p)`.
#[derive(Clone, Copy, Debug)]
pub struct LPPool<const D: usize> {
    /// p
    pub norm_type: f64,
    /// Sides of the window.
    pub kernel_size: [usize; D],
    /// Steps. `None`: the window's sides.
    pub stride: Option<[usize; D]>,
    /// Rounds the number of windows up.
    pub ceil_mode: bool,
}

/// `torch.nn.LPPool1d`.
pub type LPPool1d = LPPool<1>;
/// `torch.nn.LPPool2d`.
pub type LPPool2d = LPPool<2>;
/// `torch.nn.LPPool3d`.
pub type LPPool3d = LPPool<3>;

impl<const D: usize> LPPool<D> {
    /// Pooling over windows of `kernel_size` that do not overlap.
    pub fn new(norm_type: f64, kernel_size: [usize; D]) -> Self {
        Self {
            norm_type,
            kernel_size,
            stride: None,
            ceil_mode: false,
        }
    }
}

impl<const D: usize> Module for LPPool<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        let (p, kernel) = (self.norm_type, self.kernel_size);
        x.lp_pool_nd(p, kernel, self.stride, self.ceil_mode)
    }
}

/// The means of windows that divide the `D` sides evenly: `(N, C, sides…) -> (N, C, output…)`, or without `N`.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool<const D: usize> {
    output: [usize; D],
}

/// `torch.nn.AdaptiveAvgPool1d`.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// `torch.nn.AdaptiveAvgPool2d`.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
/// `torch.nn.AdaptiveAvgPool3d`.
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

impl<const D: usize> AdaptiveAvgPool<D> {
    /// Pooling to these sides.
    pub fn new(output: [usize; D]) -> Self {
        Self { output }
    }
}

impl<const D: usize> Module for AdaptiveAvgPool<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.adaptive_avg_pool_nd(self.output)
    }
}

/// The maxima of windows that divide the `D` sides evenly: `(N, C, sides…) -> (N, C, output…)`, or without `N`.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveMaxPool<const D: usize> {
    output: [usize; D],
}

/// `torch.nn.AdaptiveMaxPool1d`.
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// `torch.nn.AdaptiveMaxPool2d`.
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;
/// `torch.nn.AdaptiveMaxPool3d`.
pub type AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

impl<const D: usize> AdaptiveMaxPool<D> {
    /// Pooling to these sides.
    pub fn new(output: [usize; D]) -> Self {
        Self { output }
    }
}

impl<const D: usize> Module for AdaptiveMaxPool<D> {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        x.adaptive_max_pool_nd(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::check;

    #[test]
    fn shapes_and_no_keys() {
        let (max, avg) = (MaxPoolConfig::default(), AvgPoolConfig::default());
        check(&[], &[2, 3, 7], &[2, 3, 3], |_| {
            Ok(MaxPool1d::new([2], max))
        });
        check(&[], &[3, 4, 6], &[3, 2, 2], |_| {
            Ok(AvgPool2d::new([2, 3], avg))
        });
        check(&[], &[1, 2, 4, 4, 4], &[1, 2, 2, 2, 1], |_| {
            Ok(MaxPool3d::new([2, 2, 4], MaxPoolConfig::default()))
        });
        check(&[], &[2, 3, 7], &[2, 3, 3], |_| Ok(LPPool1d::new(2.0, [2])));
        check(&[], &[2, 4, 4], &[2, 3, 1], |_| {
            Ok(AdaptiveAvgPool2d::new([3, 1]))
        });
        check(&[], &[2, 4, 4, 4], &[2, 3, 1, 2], |_| {
            Ok(AdaptiveMaxPool3d::new([3, 1, 2]))
        });
    }
}
