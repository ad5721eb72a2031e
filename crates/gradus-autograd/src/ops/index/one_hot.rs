//! Classes as vectors of which one element is 1.

use gradus_tensor::{DType, Error, Shape, Tensor};

use crate::ops::support::places::refuse_outside;
use crate::ops::support::require_dtype;
use crate::registry::templates::plain;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// For each class a vector with 1 in its place and 0 elsewhere: an i64 tensor.
    ///
    /// # Shapes
    /// A new last dim of `num_classes`; of as many as the largest class needs if `None`.
    ///
    /// # Errors
    /// [`Error::DType`] if not i64; [`Error::IndexOutOfRange`] with the first class that is outside; [`Error::Argument`] if the
    /// number of classes is 0, or cannot be told from no classes; [`Error::Overflow`], [`Error::OutOfMemory`] if it is too large.
    ///
    /// As `torch.nn.functional.one_hot`.
    pub fn one_hot(&self, num_classes: Option<usize>) -> Result<Tensor> {
        let op = "one_hot";
        require_dtype(op, self.tensor(), &[DType::I64])?;
        let all: Vec<i64> = self.tensor().to_vec()?;
        let largest = || all.iter().copied().max().and_then(|i| i.checked_add(1));
        let classes = num_classes.or_else(|| largest().and_then(|n| usize::try_from(n).ok()));
        let classes = classes.filter(|&n| n > 0).ok_or(Error::Argument {
            op,
            name: "num_classes",
            expected: "at least 1; given, if there are no classes to tell it from",
            got: 0.0,
        })?;
        refuse_outside(op, &all, classes)?;
        let shape = Shape::new(&[self.dims(), &[classes]].concat())?;
        Tensor::build(shape, |dst: &mut [i64]| {
            dst.fill(0);
            let rows = dst.chunks_exact_mut(classes);
            rows.zip(all)
                .for_each(|(row, class)| row[class as usize] = 1);
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("one_hot", |a| {
        let classes = match a.int("num_classes")? {
            -1 => None,
            _ => Some(a.usize("num_classes")?),
        };
        Ok(plain(a.var("x")?.one_hot(classes)?))
    })
    .input("x", Kind::Index)
    .attr("num_classes", AttrType::Int, -1)
    .not_differentiable()
    .reference(|a| {
        let x = a.dense("x")?;
        let largest = x.data.iter().fold(0, |n, &i| n.max(i as usize + 1));
        let classes = usize::try_from(a.int("num_classes")?).unwrap_or(largest);
        let dims = [&x.dims[..], &[classes]].concat();
        Ok(vec![Dense::from_fn(&dims, |at| {
            let (class, place) = (at[at.len() - 1], &at[..at.len() - 1]);
            f64::from(x.at(place) == class as f64)
        })])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let classes = d.pick(&[5, -1, 4]);
        Ok(Args::new()
            .with("x", d.indices(&dims, 4)?)
            .attr("num_classes", classes))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_classes_outside() {
        let x = constant(&[0_i64, 3], 2);
        let want = Error::IndexOutOfRange {
            op: "one_hot",
            position: 1,
            index: 3,
            len: 3,
        };
        assert_eq!(x.one_hot(Some(3)).unwrap_err(), want);
        for (x, classes) in [(&[0_i64][..], Some(0)), (&[], None), (&[i64::MAX], None)] {
            let got = constant(x, x.len()).one_hot(classes);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = constant(&[1.0_f64], 1).one_hot(None);
        assert!(matches!(got, Err(Error::DType { .. })), "{got:?}");
    }
}
