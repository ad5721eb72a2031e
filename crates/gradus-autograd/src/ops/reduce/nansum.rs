//! Sums over dims without NaN.

use gradus_linalg::elementwise;
use gradus_tensor::Tensor;

use crate::ops::support::{scalar_like, with_float};
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// [`Var::sum`] with NaN taken as 0.
    ///
    /// # Gradient
    /// As that of [`Var::sum`]; 0 where `x` is NaN.
    ///
    /// # Errors
    /// As [`Var::sum`].
    ///
    /// As `torch.nansum`.
    pub fn nansum(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        let known = with_float!(self.dtype(), "nansum", T => {
            let view = self.tensor().view::<T>()?;
            Tensor::build(self.shape(), |dst: &mut [bool]| {
                elementwise::map1(dst, view, #[inline(always)] |x| !x.is_nan());
            })
        })?;
        self.where_(&known, &scalar_like(self, 0.0)?)?
            .sum(dims, keepdim)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("nansum", |a| {
        Ok(one(a
            .var("x")?
            .nansum(&a.isizes("dim")?, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a| reduce_reference(a, |group| group.iter().filter(|x| !x.is_nan()).sum()))
    .draw(|d| {
        let dims = d.any_shape();
        draw_reduction(d, &dims, |d| d.reals(&dims))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_nan_is_left_out_of_sum_and_gradient() {
        let x = leaf(&[1.0, f64::NAN, 3.0, f64::NAN], [2, 2]);
        let y = x.nansum(&[1], false).unwrap();
        assert_eq!(values(&y), [1.0, 3.0]);
        let grads = y.backward_with(&constant(&[2.0_f64, 5.0], 2)).unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [2.0, 0.0, 5.0, 0.0]);
    }
}
