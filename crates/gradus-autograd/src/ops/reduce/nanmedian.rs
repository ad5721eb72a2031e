//! The median of all elements that are not NaN.

use gradus_linalg::sort;
use gradus_tensor::{Shape, Tensor};

use crate::ops::support::extremum::{chosen, of_all_spec};
use crate::ops::support::order::{keys_along, naive_order};
use crate::ops::support::{FLOATS, require_dtype};
use crate::registry::{Dense, OpSpec, one};
use crate::{Result, Var};

/// The median of all, whatever the axes.
fn find(x: &Tensor, _axes: &[usize], shape: &Shape) -> Result<Tensor> {
    let all = x.reshape([x.numel()])?;
    let keys = keys_along(&all, 0)?;
    let at = keys.one_each(0, |dst, from| {
        sort::median(dst, from, keys.cols, keys.nan, true)
    })?;
    all.select(0, at.item::<i64>()? as usize)?.reshape(shape)
}

impl Var {
    /// The median of all elements, the lower one of two that are not NaN: [`Var::nanmedian_dim`] has it along a dim.
    ///
    /// # Numerics
    /// Exact; NaN is left out; NaN if there is nothing else, and of no elements. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out`, shared in equal parts by all elements that equal the result. Saves input and output.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nanmedian` without a dim.
    pub fn nanmedian(&self) -> Result<Self> {
        if self.numel() == 0 {
            return self.sum(&[], false)?.add_scalar(f64::NAN);
        }
        require_dtype("nanmedian", self.tensor(), FLOATS)?;
        chosen("nanmedian", find, self, &[], false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    of_all_spec(
        "nanmedian",
        |a| Ok(one(a.var("x")?.nanmedian()?)),
        |a| {
            let x = a.dense("x")?.data;
            let middle = naive_order(&x, false)
                .get(x.len().saturating_sub(1) / 2)
                .copied();
            Ok(vec![Dense::scalar(middle.map_or(f64::NAN, |i| x[i]))])
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_19_equal_medians_share_the_gradient() {
        let x = leaf(&[1.0_f64, 3.0, 3.0, 3.0], 4);
        let grads = x.nanmedian().unwrap().backward().unwrap();
        let third = 1.0 / 3.0;
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.0, third, third, third]);
    }

    #[test]
    fn museum_54_nan_and_nothing() {
        let x = constant(&[1.0, f64::NAN, 3.0, 2.0], [2, 2]);
        let y = values(&x.nanmedian().unwrap())[0];
        assert!(y == 2.0);
        let x = constant(&[f64::NAN; 2], 2);
        assert!(values(&x.nanmedian().unwrap())[0].is_nan());
        let x = constant::<f64>(&[], [0, 2]);
        assert!(values(&x.nanmedian().unwrap())[0].is_nan());
    }
}
