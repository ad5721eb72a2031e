//! Poolings for code over any number of sides.

use gradus_tensor::{Result, Tensor};

use super::{
    AvgPoolConfig, MaxPoolConfig, adaptive_avg_pool, adaptive_max_pool,
    adaptive_max_pool_with_indices, avg_pool, lp_pool, max_pool, max_pool_with_indices,
};
use crate::Var;
use crate::ops::support::conv::one_to_three;

impl Var {
    /// [`Var::max_pool1d`], [`Var::max_pool2d`] or [`Var::max_pool3d`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    pub fn max_pool_nd<const D: usize>(
        &self,
        kernel_size: [usize; D],
        config: &MaxPoolConfig<D>,
    ) -> Result<Self> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = ["max_pool1d", "max_pool2d", "max_pool3d"][D - 1];
        max_pool(op, self, kernel_size, config)
    }

    /// [`Var::max_pool1d_with_indices`], [`Var::max_pool2d_with_indices`] or [`Var::max_pool3d_with_indices`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::max_pool2d`].
    pub fn max_pool_nd_with_indices<const D: usize>(
        &self,
        kernel_size: [usize; D],
        config: &MaxPoolConfig<D>,
    ) -> Result<(Self, Tensor)> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = [
            "max_pool1d_with_indices",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
        ][D - 1];
        max_pool_with_indices(op, self, kernel_size, config)
    }

    /// [`Var::avg_pool1d`], [`Var::avg_pool2d`] or [`Var::avg_pool3d`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::avg_pool2d`].
    pub fn avg_pool_nd<const D: usize>(
        &self,
        kernel_size: [usize; D],
        config: &AvgPoolConfig<D>,
    ) -> Result<Self> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = ["avg_pool1d", "avg_pool2d", "avg_pool3d"][D - 1];
        avg_pool(op, self, kernel_size, config)
    }

    /// [`Var::lp_pool1d`], [`Var::lp_pool2d`] or [`Var::lp_pool3d`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::lp_pool2d`].
    pub fn lp_pool_nd<const D: usize>(
        &self,
        norm_type: f64,
        kernel_size: [usize; D],
        stride: Option<[usize; D]>,
        ceil_mode: bool,
    ) -> Result<Self> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = ["lp_pool1d", "lp_pool2d", "lp_pool3d"][D - 1];
        lp_pool(op, self, norm_type, kernel_size, stride, ceil_mode)
    }

    /// [`Var::adaptive_avg_pool1d`], [`Var::adaptive_avg_pool2d`] or [`Var::adaptive_avg_pool3d`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    pub fn adaptive_avg_pool_nd<const D: usize>(&self, output_size: [usize; D]) -> Result<Self> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = [
            "adaptive_avg_pool1d",
            "adaptive_avg_pool2d",
            "adaptive_avg_pool3d",
        ][D - 1];
        adaptive_avg_pool(op, self, output_size)
    }

    /// [`Var::adaptive_max_pool1d`], [`Var::adaptive_max_pool2d`] or [`Var::adaptive_max_pool3d`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    pub fn adaptive_max_pool_nd<const D: usize>(&self, output_size: [usize; D]) -> Result<Self> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = [
            "adaptive_max_pool1d",
            "adaptive_max_pool2d",
            "adaptive_max_pool3d",
        ][D - 1];
        adaptive_max_pool(op, self, output_size)
    }

    /// [`Var::adaptive_max_pool1d_with_indices`], [`Var::adaptive_max_pool2d_with_indices`] or [`Var::adaptive_max_pool3d_with_indices`], by the number of sides `D`.
    ///
    /// # Errors
    /// As [`Var::adaptive_avg_pool2d`].
    pub fn adaptive_max_pool_nd_with_indices<const D: usize>(
        &self,
        output_size: [usize; D],
    ) -> Result<(Self, Tensor)> {
        const { assert!(one_to_three(D), "poolings have 1 to 3 sides") }
        let op = [
            "adaptive_max_pool1d_with_indices",
            "adaptive_max_pool2d_with_indices",
            "adaptive_max_pool3d_with_indices",
        ][D - 1];
        adaptive_max_pool_with_indices(op, self, output_size)
    }
}
