//! Where elements are that are not 0.

use gradus_tensor::{DType, Tensor};

use crate::ops::support::lane_cases::few_numbers;
use crate::ops::support::places::true_numbers;
use crate::registry::templates::plain;
use crate::registry::{Args, Dense, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The indices of the elements that are not 0, in row-major order: an i64 tensor `(count, rank)`.
    ///
    /// # Numerics
    /// NaN is not 0. Any dtype.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// As `torch.nonzero`.
    pub fn nonzero(&self) -> Result<Tensor> {
        let numbers: Vec<i64> = true_numbers(&self.tensor().to_dtype(DType::Bool)?)?.to_vec()?;
        let rank = self.rank();
        Tensor::build([numbers.len(), rank], |dst: &mut [i64]| {
            for (i, mut rest) in numbers.iter().copied().enumerate() {
                for axis in (0..rank).rev() {
                    let size = self.dims()[axis] as i64;
                    dst[i * rank + axis] = rest % size;
                    rest /= size;
                }
            }
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("nonzero", |a| Ok(plain(a.var("x")?.nonzero()?)))
        .input("x", Kind::Any)
        .not_differentiable()
        .reference(|a| {
            let x = a.dense("x")?;
            let (mut data, mut count) = (Vec::new(), 0);
            crate::registry::for_each_index(&x.dims, |at| {
                if x.at(at) != 0.0 {
                    data.extend(at.iter().map(|&i| i as f64));
                    count += 1;
                }
            });
            let dims = vec![count, x.rank()];
            Ok(vec![Dense { dims, data }])
        })
        .draw(|d| {
            let dims = d.any_shape();
            Ok(Args::new().with("x", few_numbers(d, &dims)?))
        })
}
