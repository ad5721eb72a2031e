//! Logarithms of softmax along a dim.

use crate::ops::support::softmax::{draw, softmax_of};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The logarithm of [`Var::softmax`]: `x - ln Σ e^x` along `dim`.
    ///
    /// # Shapes
    /// Any with `dim`; the result has the same.
    ///
    /// # Numerics
    /// The largest element is subtracted first, so nothing overflows; sums in f64. A row of nothing but -∞ gives -∞, one
    /// with +∞ or NaN gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out - e^y · Σ grad_out`, along `dim`; 0 in a row of nothing but -∞. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 3.0_f64.ln()], [1, 2])?);
    /// let y = x.log_softmax(1)?.tensor().to_vec::<f64>()?;
    /// assert!((y[0] - 0.25_f64.ln()).abs() < 1e-15 && (y[1] - 0.75_f64.ln()).abs() < 1e-15);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.log_softmax`.
    pub fn log_softmax(&self, dim: isize) -> Result<Self> {
        softmax_of(self, dim, true)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("log_softmax", |a| {
        Ok(one(a.var("x")?.log_softmax(a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        if x.rank() == 0 {
            return Ok(vec![x.map(|_| 0.0)]);
        }
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        Ok(vec![x.along(axis, |lane| {
            let sum: f64 = lane.iter().map(|x| x.exp()).sum();
            lane.iter().map(|x| x - sum.ln()).collect()
        })])
    })
    .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_23_rows_of_minus_infinity_have_gradient_0() {
        let nothing = f64::NEG_INFINITY;
        for create_graph in [false, true] {
            let x = leaf(&[nothing, nothing, nothing, 1e4], [2, 2]);
            let y = x.log_softmax(1).unwrap();
            assert_eq!(values(&y), [nothing, nothing, nothing, 0.0]);
            let config = crate::GradConfig {
                create_graph,
                ..Default::default()
            };
            let grad_out = constant(&[1.0, 2.0, 0.0, 4.0], [2, 2]);
            let found = crate::grad(&[&y], &[&x], Some(&[grad_out]), &config).unwrap();
            assert_eq!(values(found[0].as_ref().unwrap()), [0.0; 4]);
        }
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).log_softmax(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.log_softmax(0));
    }
}
