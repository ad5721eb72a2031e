//! Running maxima.

use crate::ops::support::extremum::cumulative;
use crate::ops::support::lane_cases::{draw_lanes, scan_reference};
use crate::registry::{AttrType, Draw, Kind, OpSpec};
use crate::{Result, Tensor, Var};

impl Var {
    /// The largest of the elements up to each along `dim`, and where it stands.
    ///
    /// # Shapes
    /// Any, also rank 0 with dim 0; both results have the same. The indices are i64.
    ///
    /// # Numerics
    /// Exact. Of equal elements the last, and NaN wins from its place on. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` added to the elements at the indices. Keeps the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.cummax`.
    pub fn cummax(&self, dim: isize) -> Result<(Self, Tensor)> {
        cumulative("cummax", self, dim, true)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cummax", |a| {
        let (values, indices) = a.var("x")?.cummax(a.isize("dim")?)?;
        Ok(vec![values, Var::constant(indices)])
    })
    .input("x", Kind::Float)
    .required("dim", AttrType::Int)
    .many()
    .reference(|a| {
        let best =
            |lane: &[f64], i: usize| (0..=i).fold(0, |b, j| if lane[j] >= lane[b] { j } else { b });
        let values = |lane: &[f64]| (0..lane.len()).map(|i| lane[best(lane, i)]).collect();
        let places = |lane: &[f64]| (0..lane.len()).map(|i| best(lane, i) as f64).collect();
        Ok(vec![scan_reference(a, values)?, scan_reference(a, places)?])
    })
    .draw(|d| draw_lanes(d, Draw::distinct))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_54_the_last_of_equal_ones_and_nan_wins() {
        let x = leaf(&[1.0, 1.0, 0.5, f64::NAN, 2.0, f64::NAN], 6);
        let (y, at) = x.cummax(0).unwrap();
        assert_eq!(at.to_vec::<i64>().unwrap(), [0, 1, 1, 3, 3, 5]);
        assert!(values(&y)[3..].iter().all(|y| y.is_nan()));
        let grads = y.backward_with(&constant(&[1.0_f64; 6], 6)).unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [1.0, 2.0, 0.0, 2.0, 0.0, 1.0]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).cummax(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| Ok(x.cummax(0)?.0));
    }
}
