//! Elements of each lane in order.

use gradus_tensor::Tensor;

use crate::ops::support::lane_cases::{dense_lanes, draw_lanes};
use crate::ops::support::order::{naive_sorted, sorted};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// The elements along `dim` in ascending (or descending) order, and their indices, an i64 tensor.
    ///
    /// # Shapes
    /// Any, also rank 0 with dim 0; both results have the same.
    ///
    /// # Numerics
    /// Always stable, so the result is unique. NaN ranks above all numbers: it comes last, or first if `descending`. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` put back to where the elements came from. Keeps the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[2.0_f32, 3.0, 1.0], [3])?);
    /// let (values, indices) = x.sort(0, true)?;
    /// assert_eq!(values.tensor().to_vec::<f32>()?, [3.0, 2.0, 1.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [1, 0, 2]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sort`.
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Self, Tensor)> {
        sorted("sort", self, dim, None, descending)
    }
}

/// Values and indices of a case with `dim` and `descending`.
pub(super) fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, axis) = dense_lanes(a)?;
    let dims = a.dense("x")?.dims;
    let found = naive_sorted(&x, axis, None, a.flag("descending")?);
    Ok(found.into_iter().map(|out| out.reshape(&dims)).collect())
}

/// A case with `dim` and `descending`.
pub(super) fn draw(d: &mut Draw) -> Result<Args> {
    let descending = d.flag();
    Ok(draw_lanes(d, Draw::distinct)?.attr("descending", descending))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("sort", |a| {
        let (values, indices) = a.var("x")?.sort(a.isize("dim")?, a.flag("descending")?)?;
        Ok(vec![values, Var::constant(indices)])
    })
    .input("x", Kind::Any)
    .attr("dim", AttrType::Int, -1)
    .attr("descending", AttrType::Bool, false)
    .attr("stable", AttrType::Bool, false)
    .many()
    .reference(reference)
    .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_nan_is_the_largest_and_equal_elements_keep_their_order() {
        let x = constant(&[3.0, f64::NAN, 1.0, -0.0, 0.0, f64::NAN], 6);
        let indices = |descending| x.sort(0, descending).unwrap().1.to_vec::<i64>().unwrap();
        assert_eq!(indices(false), [3, 4, 2, 0, 1, 5]);
        assert_eq!(indices(true), [1, 5, 0, 2, 3, 4]);
        let x = constant(&[3_i64, i64::MIN, i64::MAX, 3], 4);
        let (y, at) = x.sort(-1, true).unwrap();
        assert_eq!(
            y.tensor().to_vec::<i64>().unwrap(),
            [i64::MAX, 3, 3, i64::MIN]
        );
        assert_eq!(at.to_vec::<i64>().unwrap(), [2, 0, 3, 1]);
        let (y, _) = constant(&[true, false, true], 3).sort(0, false).unwrap();
        assert_eq!(y.tensor().to_vec::<bool>().unwrap(), [false, true, true]);
    }

    #[test]
    fn museum_40_an_offset_view_is_sorted_as_it_is_seen() {
        let x = constant(&[9.0, 3.0, 9.0, 2.0, 9.0, 1.0], [3, 2]);
        let column = x.select(1, 1).unwrap();
        let (y, at) = column.sort(0, false).unwrap();
        assert_eq!(values(&y), [1.0, 2.0, 3.0]);
        assert_eq!(at.to_vec::<i64>().unwrap(), [2, 1, 0]);
    }

    #[test]
    fn rejects_bad_dims() {
        let got = constant(&BOTH_SIGNS, [2, 3]).sort(2, false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
