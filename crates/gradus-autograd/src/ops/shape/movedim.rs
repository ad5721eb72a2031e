//! Dims at other places.

use crate::ops::support::movement::axes;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

impl Var {
    /// Dim `from` at place `to`, the others in their order. A view.
    ///
    /// # Shapes
    /// Any with these dims.
    ///
    /// # Gradient
    /// `grad_out` with the dim moved back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.movedim(0, 1)?.dims(), [3, 2]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.movedim` with single dims.
    pub fn movedim(&self, from: isize, to: isize) -> Result<Self> {
        self.movedims(&[from], &[to])
    }

    /// Dim `from[i]` at place `to[i]`, the others in their order. A view.
    ///
    /// # Shapes, gradient
    /// As [`Var::movedim`].
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or repeated; [`Error::Length`] if the lists differ in length.
    ///
    /// As `torch.movedim`.
    pub fn movedims(&self, from: &[isize], to: &[isize]) -> Result<Self> {
        if from.len() != to.len() {
            return Err(Error::Length {
                op: "movedim",
                expected: from.len(),
                got: to.len(),
            });
        }
        let sources = axes("movedim", self.shape(), from)?;
        let places = axes("movedim", self.shape(), to)?;
        if self.rank() == 0 {
            return Ok(self.clone());
        }
        let mut rest = (0..self.rank()).filter(|axis| !sources.contains(axis));
        let order: Vec<usize> = (0..self.rank())
            .map(|place| match places.iter().position(|&p| p == place) {
                Some(i) => sources[i],
                None => rest.next().unwrap_or(place),
            })
            .collect();
        super::permute::permuted("movedim", self, &order)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("movedim", |a| {
        let x = a.var("x")?;
        let [from, to] = [a.isizes("source")?, a.isizes("destination")?];
        Ok(one(x.movedims(&from, &to)?))
    })
    .input("x", Kind::Any)
    .required("source", AttrType::Ints)
    .required("destination", AttrType::Ints)
    .reference(|a| {
        let x = a.dense("x")?;
        let axes = |name| -> Result<Vec<usize>> {
            let dims = a.isizes(name)?.into_iter();
            Ok(dims
                .map(|dim| dim.rem_euclid(x.rank() as isize) as usize)
                .collect())
        };
        let (from, to) = (axes("source")?, axes("destination")?);
        // The dims that stay, then the moved ones put in from the first place on.
        let mut order: Vec<usize> = (0..x.rank()).filter(|axis| !from.contains(axis)).collect();
        let mut moves: Vec<(usize, usize)> = to.into_iter().zip(from).collect();
        moves.sort_unstable();
        for (place, axis) in moves {
            order.insert(place, axis);
        }
        Ok(vec![Dense::permute(&x, &order)])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let from = d.dims(dims.len(), 0);
        let places = d.order(dims.len());
        let to: Vec<i64> = places[..from.len()]
            .iter()
            .map(|&p| p as i64 - if d.flag() { dims.len() as i64 } else { 0 })
            .collect();
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("source", from).attr("destination", to))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist_and_lists_of_other_lengths() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(x.movedim(0, 2), Err(Error::Axis { .. })));
        assert!(matches!(x.movedim(-3, 0), Err(Error::Axis { .. })));
        let got = x.movedims(&[0, 0], &[0, 1]);
        assert!(matches!(got, Err(Error::Axis { .. })), "{got:?}");
        let got = x.movedims(&[0], &[0, 1]);
        assert!(matches!(got, Err(Error::Length { .. })), "{got:?}");
    }
}
