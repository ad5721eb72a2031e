//! Softmax along a dim.

use crate::ops::support::softmax::{draw, softmax_of};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Exponentials along `dim`, scaled to sum to 1: `e^x / Σ e^x`.
    ///
    /// # Shapes
    /// Any with `dim`; the result has the same.
    ///
    /// # Numerics
    /// The largest element is subtracted first, so nothing overflows; sums in f64. A row of nothing but -∞ gives 0, one
    /// with +∞ or NaN gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// `y · (grad_out - Σ grad_out · y)`, along `dim`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 3.0_f64.ln()], [1, 2])?);
    /// let y = x.softmax(1)?.tensor().to_vec::<f64>()?;
    /// assert!((y[0] - 0.25).abs() < 1e-15 && (y[1] - 0.75).abs() < 1e-15);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.softmax`.
    pub fn softmax(&self, dim: isize) -> Result<Self> {
        softmax_of(self, dim, false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("softmax", |a| {
        Ok(one(a.var("x")?.softmax(a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        if x.rank() == 0 {
            return Ok(vec![x.map(|_| 1.0)]);
        }
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        Ok(vec![x.along(axis, |lane| {
            let sum: f64 = lane.iter().map(|x| x.exp()).sum();
            lane.iter().map(|x| x.exp() / sum).collect()
        })])
    })
    .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_23_rows_of_minus_infinity_have_gradient_0() {
        let x = leaf(
            &[f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY, 1e4],
            [2, 2],
        );
        let y = x.softmax(1).unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 0.0, 1.0]);
        let grads = y
            .backward_with(&constant(&[1.0, 2.0, 3.0, 4.0], [2, 2]))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 4]
        );
    }

    #[test]
    fn museum_49_a_long_row_sums_to_one() {
        let y = constant(&[0.0_f32; 4096], [1, 4096]).softmax(1).unwrap();
        assert_eq!(y.sum(&[], false).unwrap().item::<f32>().unwrap(), 1.0);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).softmax(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.softmax(0));
    }
}
