//! Conversion to another dtype.

use gradus_tensor::{DType, Result, Tensor};

use crate::registry::{Args, AttrType, Kind, OpSpec, Values, one};
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

/// The attribute `dtype`.
fn dtype(args: &Args) -> Result<DType> {
    const ALL: [DType; 7] = [
        DType::F32,
        DType::F64,
        DType::BF16,
        DType::F16,
        DType::I64,
        DType::U8,
        DType::Bool,
    ];
    Ok(ALL[args.choice("dtype", &ALL.map(DType::name))?])
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("to_dtype", |a| Ok(one(a.var("x")?.to_dtype(dtype(a)?)?)))
        .input("x", Kind::Any)
        .required("dtype", AttrType::Text)
        .reference(|a| {
            let dtype = dtype(a)?;
            Ok(vec![a.dense("x")?.map(|x| match dtype {
                DType::Bool => f64::from(x != 0.0),
                DType::I64 => x.trunc(),
                _ => x,
            })])
        })
        .draw(|d| {
            // Not to f32, whose steps the differences would see.
            let dtype = d.pick(&["f64", "f64", "f64", "i64", "bool"]);
            let dims = d.any_shape();
            let x = d.floats(&dims, Values::NONZERO.away(&[-2.0, -1.0, 1.0, 2.0]))?;
            Ok(Args::new().with("x", x).attr("dtype", dtype))
        })
}

#[cfg(test)]
mod tests {
    use crate::DType;
    use crate::ops::support::testing::*;

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
    fn rejects_gradients_through_integers() {
        let y = leaf(&[1.0_f32], 1).to_dtype(DType::I64).unwrap();
        assert!(!y.requires_grad() && y.backward_with(&constant(&[1_i64], 1)).is_err());
    }
}
