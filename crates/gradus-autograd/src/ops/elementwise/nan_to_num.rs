//! Finite numbers in the place of others.

use crate::ops::support::lean::{Lean, lean, passed};
use crate::ops::support::unary::Keeps;
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};
use crate::{DType, Result, Tensor, Var};

const NAN_TO_NUM: Lean = Lean {
    name: "nan_to_num",
    value: |x, [nan, above, below]| match () {
        () if x.is_nan() => nan,
        () if x == f64::INFINITY => above,
        () if x == f64::NEG_INFINITY => below,
        () => x,
    },
    keeps: Some(Keeps::Input),
    grad: |grad, x, attrs| passed(grad, x, attrs, |x, _| x.is_finite()),
};

impl Var {
    /// `nan` in the place of NaN, `posinf` and `neginf` in that of the infinities. PyTorch's defaults are 0 and the largest and
    /// smallest finite number of the dtype (here for `None`).
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Numerics
    /// Exact. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where `x` is finite, else 0. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nan_to_num`.
    pub fn nan_to_num(&self, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Result<Self> {
        let largest = match self.dtype() {
            DType::F32 => f64::from(f32::MAX),
            _ => f64::MAX,
        };
        let attrs = [nan, posinf.unwrap_or(largest), neginf.unwrap_or(-largest)];
        lean(NAN_TO_NUM, attrs, self)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("nan_to_num", |a| {
        let nan = a.float("nan")?;
        let (posinf, neginf) = (a.opt("posinf", Args::float)?, a.opt("neginf", Args::float)?);
        Ok(one(a.var("x")?.nan_to_num(nan, posinf, neginf)?))
    })
    .input("x", Kind::Float)
    .attr("nan", AttrType::Float, 0.0)
    .attr("posinf", AttrType::Float, Attr::None)
    .attr("neginf", AttrType::Float, Attr::None)
    .reference(|a| {
        let nan = a.float("nan")?;
        let posinf = a.opt("posinf", Args::float)?.unwrap_or(f64::MAX);
        let neginf = a.opt("neginf", Args::float)?.unwrap_or(f64::MIN);
        Ok(vec![a.dense("x")?.map(|x| {
            if x.is_nan() {
                nan
            } else if x.is_finite() {
                x
            } else if x > 0.0 {
                posinf
            } else {
                neginf
            }
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let mut values: Vec<f64> = d.reals(&dims)?.to_vec()?;
        let with_infinities = d.flag();
        for (i, value) in values.iter_mut().enumerate() {
            match i % 5 {
                1 => *value = f64::NAN,
                2 if with_infinities => *value = f64::INFINITY,
                4 if with_infinities => *value = f64::NEG_INFINITY,
                _ => {}
            }
        }
        let args = Args::new().with("x", Tensor::from_slice(&values, dims)?);
        if with_infinities {
            return Ok(args
                .attr("nan", 0.5)
                .attr("posinf", 3.0)
                .attr("neginf", -4.0));
        }
        Ok(args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn infinities_become_the_largest_of_the_dtype() {
        let x = constant(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN], 3);
        let y = x.nan_to_num(0.0, None, None).unwrap();
        assert_eq!(
            y.tensor().to_vec::<f32>().unwrap(),
            [f32::MAX, f32::MIN, 0.0]
        );
    }
}
