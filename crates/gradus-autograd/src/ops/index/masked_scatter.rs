//! Elements of a source written one after the other where a mask is true.

use gradus_tensor::{DType, Error, Shape, Tensor, broadcast_shapes};

use crate::ops::support::place_ops::put_over;
use crate::ops::support::places::{Places, true_numbers};
use crate::ops::support::require_dtype;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A copy with the elements of `source`, one after the other, where `mask` is true.
    ///
    /// # Shapes
    /// `self` and `mask` (bool) are broadcast to each other; `source` has at least as many elements as the mask is true.
    ///
    /// # Gradient
    /// Of `self`: `grad_out`, 0 where the mask is true. Of `source`: those of `grad_out`, in order, and 0 for what is left over.
    ///
    /// # Errors
    /// [`Error::DType`] if `mask` is not bool; [`Error::ShapeMismatch`] if the shapes do not broadcast; [`Error::Length`] if `source`
    /// has not enough elements; [`Error::DTypeMismatch`] if it is of another dtype.
    ///
    /// As `torch.masked_scatter`.
    pub fn masked_scatter(&self, mask: &Tensor, source: &Self) -> Result<Self> {
        require_dtype("masked_scatter", mask, &[DType::Bool])?;
        let shape = broadcast_shapes("masked_scatter", self.shape(), mask.shape())?;
        let rows = true_numbers(&mask.expand(shape)?)?;
        let (expected, got) = (rows.numel(), source.numel());
        if got < expected {
            let op = "masked_scatter";
            return Err(Error::Length { op, expected, got });
        }
        let source = source.reshape([got])?.narrow(0, 0, expected)?;
        let places = Places::numbered(&rows, 1, Shape::new(&[expected])?, &shape)?;
        put_over("masked_scatter", places, &self.expand(shape)?, &source)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("masked_scatter", |a| {
        let (mask, source) = (a.tensor("mask")?, a.var("source")?);
        Ok(one(a.var("x")?.masked_scatter(mask, source)?))
    })
    .input("x", Kind::Any)
    .input("mask", Kind::Mask)
    .input("source", Kind::Any)
    .reference(|a| {
        let (x, mask, source) = (a.dense("x")?, a.dense("mask")?, a.dense("source")?);
        let dims = x.zip(&mask, |x, _| x).dims;
        let mut next = source.data.into_iter();
        Ok(vec![Dense::from_fn(&dims, |at| match mask.wide(at) {
            0.0 => x.wide(at),
            _ => next.next().unwrap_or(f64::NAN),
        })])
    })
    .draw(|d| {
        let [x, mask, wide] = d.broadcast_pair();
        let more = d.below(3);
        let source = [wide.iter().product::<usize>() + more];
        Ok(Args::new()
            .with("x", d.reals(&x)?)
            .with("mask", d.mask(&mask)?)
            .with("source", d.reals(&source)?))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_43_a_mask_is_broadcast() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let source = constant(&[1.0_f64, 2.0, 3.0, 4.0], 4);
        let y = x
            .masked_scatter(&tensor(&[true, false, true], 3), &source)
            .unwrap();
        assert_eq!(values(&y), [1.0, -1.4, 2.0, 3.0, 0.8, 4.0]);
    }

    #[test]
    fn rejects_a_source_that_is_too_short() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.masked_scatter(&tensor(&[true; 6], [2, 3]), &constant(&[1.0_f64], 1));
        let want = Error::Length {
            op: "masked_scatter",
            expected: 6,
            got: 1,
        };
        assert_eq!(got.unwrap_err(), want);
    }
}
