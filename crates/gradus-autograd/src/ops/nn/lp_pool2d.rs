//! The power mean of each window of an image.

use gradus_tensor::Result;

use crate::Var;
use crate::ops::support::pool::lp_pool;
use crate::ops::support::pool::spec::lp_spec;
use crate::registry::OpSpec;

impl Var {
    /// The power mean of each window times its size: `(Σ x^p)^(1/p)` with `p = norm_type`.
    ///
    /// # Shapes
    /// As [`Var::avg_pool2d`] without padding; `stride` is `kernel_size` if not given.
    ///
    /// # Numerics
    /// Powers are of `x`, not of its magnitude: an odd `p` takes the root of a sum that may be negative, which is NaN. A window that
    /// hangs over the edge (ceil mode) counts as much as a whole one: its mean times the whole size. f32 or f64.
    ///
    /// # Gradient
    /// That of the formula; 0 where the sum is 0. Any number of times.
    ///
    /// # Errors
    /// As [`Var::avg_pool2d`]; [`crate::Error::Argument`] if `norm_type` is 0 or not finite.
    ///
    /// As `torch.nn.functional.lp_pool2d`.
    pub fn lp_pool2d(
        &self,
        norm_type: f64,
        kernel_size: [usize; 2],
        stride: Option<[usize; 2]>,
        ceil_mode: bool,
    ) -> Result<Self> {
        lp_pool("lp_pool2d", self, norm_type, kernel_size, stride, ceil_mode)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    lp_spec::<2>("lp_pool2d")
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_12_a_window_of_zeros_has_gradient_0() {
        let x = leaf(&[0.0, 0.0, 3.0, 4.0], [1, 1, 4]);
        let y = x.lp_pool2d(2.0, [1, 2], None, false).unwrap();
        assert_eq!(values(&y), [0.0, 5.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        let want = [0.0, 0.0, 0.6, 0.8];
        assert!(
            got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-14),
            "{got:?}"
        );
    }
}
