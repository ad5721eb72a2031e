//! A number in the place of masked elements.

use gradus_tensor::Tensor;

use crate::ops::support::{FLOATS, require_dtype, scalar_like};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, Values, one};
use crate::{Result, Var};

impl Var {
    /// `value` where `mask` is true, else `self`: [`Var::where_`] with a number.
    ///
    /// # Shapes
    /// `mask` (bool) and `self` broadcast to one shape, which the result has.
    ///
    /// # Numerics
    /// A selection: what is masked does not show, be it NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where the mask is false, else 0, summed over the dims in which `self` was expanded. Saves the mask.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`]; [`crate::Error::DType`] if `mask` is not bool, or `self` not f32 or f64.
    ///
    /// As `torch.masked_fill`.
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Result<Self> {
        require_dtype("masked_fill", self.tensor(), FLOATS)?;
        scalar_like(self, value)?.where_(mask, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("masked_fill", |a| {
        let value = a.float("value")?;
        Ok(one(a.var("x")?.masked_fill(a.tensor("mask")?, value)?))
    })
    .input("x", Kind::Float)
    .input("mask", Kind::Mask)
    .required("value", AttrType::Float)
    .reference(|a| {
        let (x, mask, value) = (a.dense("x")?, a.dense("mask")?, a.float("value")?);
        let dims = x.zip(&mask, |x, _| x).dims;
        Ok(vec![Dense::from_fn(&dims, |index| {
            if mask.wide(index) == 0.0 {
                x.wide(index)
            } else {
                value
            }
        })])
    })
    .draw(|d| {
        let [x, mask, _] = d.broadcast_pair();
        let value = d.float(Values::REAL);
        let args = Args::new().with("x", d.reals(&x)?);
        Ok(args.with("mask", d.mask(&mask)?).attr("value", value))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_43_a_mask_is_broadcast_and_hides_nan() {
        let x = leaf(&[1.0_f64, f64::NAN, 3.0, f64::NAN], [2, 2]);
        let y = x.masked_fill(&tensor(&[false, true], 2), 7.0).unwrap();
        assert_eq!(values(&y), [1.0, 7.0, 3.0, 7.0]);
        let grads = y.backward_with(&constant(&[1.0_f64; 4], [2, 2])).unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [1.0, 0.0, 1.0, 0.0]
        );
    }
}
