//! Conversion to another dtype.

use gradus_tensor::{DType, Result, Tensor};

use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct ToDType {
    dtype: DType,
}

impl Op for ToDType {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].to_dtype(self.dtype)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?.to_dtype(ctx.input_dtype(0))?,
        )])
    }
}

impl Var {
    /// The same values as another dtype; shares the storage if the dtype is the same.
    ///
    /// Floats become integers by truncation, clamped, NaN as 0; anything becomes `bool` by `!= 0`; narrower floats are
    /// rounded to nearest even.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `grad_out` converted to the input's dtype. A result that is no float has none. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{DType, Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.to_dtype(DType::F64)?.tensor().to_vec::<f64>()?[5], 6.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.to`.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        apply(ToDType { dtype }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    use crate::{DType, Var};

    #[test]
    fn forward_matches_reference() {
        let x = constant(&[1.5_f64, -2.7, 0.0], 3);
        let back = |dtype| values(&x.to_dtype(dtype).unwrap());
        assert_eq!(back(DType::F32), [1.5, f64::from(-2.7_f32), 0.0]);
        assert_eq!(back(DType::BF16), [1.5, -2.703125, 0.0]);
        assert_eq!(back(DType::I64), [1.0, -2.0, 0.0]);
        assert_eq!(back(DType::Bool), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn gradient_matches_finite_difference() {
        // Exact in f32, so that the differences are: 3 x, computed in f32.
        let report = crate::gradcheck(
            |v| {
                Ok(vec![
                    v[0].to_dtype(DType::F32)?
                        .mul_scalar(3.0)?
                        .to_dtype(DType::F64)?,
                ])
            },
            &[tensor(&[1.0, -2.0], 2)],
            &crate::GradcheckConfig {
                step: 0.125,
                tolerance: 1e-12,
            },
        );
        let report = report.unwrap();
        assert!(report.passed(), "{report}");
    }

    #[test]
    fn museum_06_the_gradient_passes_through_every_float() {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let x = leaf(&[1.0_f32, 2.0], 2);
            let y = x.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
            let grads = y.backward_with(&constant(&[3.0_f32, 5.0], 2)).unwrap();
            assert_eq!(
                grads.get_var(&x).unwrap().to_vec::<f32>().unwrap(),
                [3.0, 5.0]
            );
        }
    }

    #[test]
    fn accepts_strided_views() {
        let round_trip = |v: &[Var]| v[0].to_dtype(DType::F32)?.to_dtype(DType::F64);
        check_layouts(round_trip, &[sampled(&[2, 3], 1)]);
        check_empty(round_trip, &[&[0, 3]]);
    }

    #[test]
    fn rejects_gradients_through_integers() {
        let y = leaf(&[1.0_f32], 1).to_dtype(DType::I64).unwrap();
        assert!(!y.requires_grad() && y.backward_with(&constant(&[1_i64], 1)).is_err());
    }
}
