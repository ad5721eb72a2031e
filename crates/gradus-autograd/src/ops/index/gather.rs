//! Elements picked along a dim by index.

use gradus_tensor::{Result, Shape, Tensor};

use crate::Var;
use crate::ops::support::lanes::{as_lanes, at_least_vector};
use crate::ops::support::place_ops::{pick, spread};
use crate::ops::support::places::Places;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

/// Row by row, zeros `(R, size)` to which each element of `x` `(R, K)` is added at its position.
pub(crate) fn scatter_rows(x: &Var, positions: Vec<usize>, size: usize) -> Result<Var> {
    let positions: Vec<i64> = positions.into_iter().map(|p| p as i64).collect();
    let index = Tensor::from_slice(&positions, x.shape())?;
    let whole = Shape::new(&[x.dims()[0], size])?;
    spread("scatter_rows", Places::along_checked(1, &index, &whole)?, x)
}

impl Var {
    /// Elements picked along `dim`: `out[i, j, …] = self[i, index[i, j, …], …]` for `dim = 1`.
    ///
    /// # Shapes
    /// `index` (i64) has the rank of `self`, and dims no larger but for `dim`; the result has its shape.
    ///
    /// # Numerics
    /// Exact. Any dtype; for a gradient f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` added to the places picked from, in row-major order, so that an element picked twice gets both. Keeps
    /// the indices.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] if `index` does not fit; [`crate::Error::DType`] if it is not
    /// i64; [`crate::Error::IndexOutOfRange`] with the first index that is outside (negative ones are, too).
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let index = Tensor::from_slice(&[1_i64, 0], [2, 1])?;
    /// assert_eq!(x.gather(1, &index)?.tensor().to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.gather`.
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Self> {
        let (x, axis) = as_lanes("gather", self, dim)?;
        let places = Places::along("gather", axis, &at_least_vector(index)?, x.shape())?;
        pick("gather", places, &x)?.reshape(index.shape())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("gather", |a| {
        Ok(one(a
            .var("x")?
            .gather(a.isize("dim")?, a.tensor("index")?)?))
    })
    .input("x", Kind::Any)
    .input("index", Kind::Index)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let (x, index) = (a.dense("x")?, a.dense("index")?);
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        Ok(vec![Dense::from_fn(&index.dims, |at| {
            let mut from = at.to_vec();
            from[axis] = index.at(at) as usize;
            x.at(&from)
        })])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let axis = dim.rem_euclid(dims.len() as i64) as usize;
        let mut picked: Vec<usize> = dims
            .iter()
            .map(|&size| d.range(1.min(size)..=size))
            .collect();
        picked[axis] = d.range(1..=5);
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("index", d.indices(&picked, dims[axis])?)
            .attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_03_an_element_picked_twice_gets_both_gradients() {
        let x = leaf(&[0.1_f64], 1);
        let y = x.gather(0, &tensor(&[0_i64, 0], 2)).unwrap();
        let grads = y.backward_with(&constant(&[0.2, 0.3], 2)).unwrap();
        assert_eq!(grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(), [0.5]);
    }

    #[test]
    fn museum_05_index_and_input_of_different_shapes() {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]);
        let y = x.gather(0, &tensor(&[2_i64, 2, 0, 2], [4, 1])).unwrap();
        let grads = y
            .backward_with(&constant(&[1.0, 10.0, 100.0, 1000.0], [4, 1]))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [100.0, 0.0, 0.0, 0.0, 1011.0, 0.0]
        );
    }

    #[test]
    fn rejects_indices_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let bad = |index: &[i64]| x.gather(1, &tensor(index, [1, index.len()])).unwrap_err();
        assert_eq!(
            bad(&[0, 3]),
            Error::IndexOutOfRange {
                op: "gather",
                position: 1,
                index: 3,
                len: 3
            }
        );
        assert_eq!(
            bad(&[-1]),
            Error::IndexOutOfRange {
                op: "gather",
                position: 0,
                index: -1,
                len: 3
            }
        );
        let got = x.gather(1, &tensor(&[0_i64; 3], [3, 1]));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.gather(1, &tensor(&[0_i64; 3], 3));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        assert!(matches!(
            x.gather(1, &tensor(&[0.0_f64; 2], [2, 1])),
            Err(Error::DType { .. })
        ));
        assert!(matches!(
            x.gather(2, &tensor(&[0_i64; 2], [2, 1])),
            Err(Error::Axis { .. })
        ));
    }
}
