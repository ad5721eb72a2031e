//! Elements picked by their number in row-major order.

use gradus_tensor::Tensor;

use crate::ops::support::place_ops::pick;
use crate::ops::support::places::{Places, wrapped};
use crate::registry::{Args, Draw, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The elements of these numbers in row-major order, whatever the shape.
    ///
    /// # Shapes
    /// The result has the shape of `index` (i64); negative numbers count from the end.
    ///
    /// # Gradient
    /// `grad_out` added to the elements picked, in row-major order.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if `index` is not i64; [`crate::Error::IndexOutOfRange`] with the first number that is outside.
    ///
    /// As `torch.take`.
    pub fn take(&self, index: &Tensor) -> Result<Self> {
        let rows = wrapped("take", index, self.numel())?;
        pick(
            "take",
            Places::numbered(&rows, 1, *index.shape(), self.shape())?,
            self,
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("take", |a| Ok(one(a.var("x")?.take(a.tensor("index")?)?)))
        .input("x", Kind::Any)
        .input("index", Kind::Index)
        .reference(|a| {
            let x = a.dense("x")?.data;
            let at = |i: f64| if i < 0.0 { i + x.len() as f64 } else { i };
            Ok(vec![a.dense("index")?.map(|i| x[at(i) as usize])])
        })
        .draw(|d| {
            let (dims, picked) = (d.any_shape(), d.any_shape());
            let index = draw_numbers(d, &picked, dims.iter().product())?;
            Ok(Args::new().with("x", d.reals(&dims)?).with("index", index))
        })
}

/// Numbers of `-n..n`.
pub(super) fn draw_numbers(d: &mut Draw, dims: &[usize], n: usize) -> Result<Tensor> {
    let dims = if n == 0 { &[0][..] } else { dims };
    let (all, negative): (Vec<i64>, Vec<bool>) =
        (d.indices(dims, n)?.to_vec()?, d.mask(dims)?.to_vec()?);
    let signed = all.iter().zip(negative);
    let signed: Vec<i64> = signed
        .map(|(&i, negative)| if negative { i - n as i64 } else { i })
        .collect();
    Tensor::from_slice(&signed, dims)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_47_numbers_beyond_two_billion() {
        let long = (1_usize << 31) + 1;
        let x = constant(&[7_u8, 8], [1, 2]).expand([long, 2]).unwrap();
        let last = 2 * long as i64 - 1;
        let y = x.take(&tensor(&[last, -1, 0, 1 << 32], 4)).unwrap();
        assert_eq!(y.tensor().to_vec::<u8>().unwrap(), [8, 8, 7, 7]);
        let got = x.take(&tensor(&[last + 1], 1)).unwrap_err();
        let (op, position, index, len) = ("take", 0, last + 1, 2 * long);
        assert_eq!(
            got,
            Error::IndexOutOfRange {
                op,
                position,
                index,
                len
            }
        );
        let row = x.index_select(0, &tensor(&[1_i64 << 31], 1)).unwrap();
        assert_eq!(row.tensor().to_vec::<u8>().unwrap(), [7, 8]);
    }

    #[test]
    fn rejects_numbers_outside() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for index in [6, -7, i64::MIN, i64::MAX] {
            let got = x.take(&tensor(&[0, index], 2));
            assert!(
                matches!(got, Err(Error::IndexOutOfRange { position: 1, .. })),
                "{got:?}"
            );
        }
    }
}
