//! Elements picked along a dim by an index that is broadcast.

use gradus_tensor::{Error, MAX_RANK, Shape, Tensor, broadcast_shapes};

use super::take::draw_numbers;
use crate::ops::support::lane_cases::axis_of;
use crate::ops::support::places::wrapped;
use crate::registry::{Args, Attr, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// [`Var::gather`] with `self` and `indices` broadcast to each other in all dims but `dim`; without a dim, [`Var::take`].
    ///
    /// # Shapes
    /// Both have the same rank. Negative indices count from the end.
    ///
    /// # Gradient
    /// As [`Var::gather`].
    ///
    /// # Errors
    /// [`Error::Axis`] if `dim` is outside; [`Error::ShapeMismatch`] if they do not fit; [`Error::DType`] if `indices` is not
    /// i64; [`Error::IndexOutOfRange`] with the first index that is outside.
    ///
    /// As `torch.take_along_dim`.
    pub fn take_along_dim(&self, indices: &Tensor, dim: Option<isize>) -> Result<Self> {
        let Some(dim) = dim else {
            return self.take(&indices.reshape([indices.numel()])?);
        };
        let axis = self.shape().axis("take_along_dim", dim)?;
        if indices.rank() != self.rank() {
            return Err(Error::ShapeMismatch {
                op: "take_along_dim",
                lhs: *self.shape(),
                rhs: *indices.shape(),
                rule: "both have the same rank",
            });
        }
        let index = wrapped("take_along_dim", indices, self.dims()[axis])?;
        let with = |shape: &Shape, size: usize| {
            let mut dims = [0; MAX_RANK];
            dims[..shape.rank()].copy_from_slice(shape);
            dims[axis] = size;
            Shape::new(&dims[..shape.rank()])
        };
        let (own, other) = (with(self.shape(), 1)?, with(index.shape(), 1)?);
        let wide = broadcast_shapes("take_along_dim", &own, &other)?;
        let x = self.expand(with(&wide, self.dims()[axis])?)?;
        x.gather(dim, &index.expand(with(&wide, index.dims()[axis])?)?)
    }
}

fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let dim = d.dim(dims.len());
    let axis = dim.rem_euclid(dims.len() as i64) as usize;
    let narrow = |d: &mut Draw| -> Vec<usize> {
        dims.iter()
            .map(|&size| if d.below(3) == 2 { 1.min(size) } else { size })
            .collect()
    };
    let (mut own, mut other) = (narrow(d), narrow(d));
    (own[axis], other[axis]) = (dims[axis], d.range(1..=5).min(5 * dims[axis]));
    if d.below(4) == 3 {
        let indices = draw_numbers(d, &[4], dims.iter().product())?;
        return Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .with("indices", indices));
    }
    let indices = if dims[axis] == 0 {
        d.indices(&other, 1)?
    } else {
        draw_numbers(d, &other, dims[axis])?
    };
    Ok(Args::new()
        .with("x", d.reals(&own)?)
        .with("indices", indices)
        .attr("dim", dim))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("take_along_dim", |a| {
        let dim = a.opt("dim", |a, name| a.isize(name))?;
        Ok(one(a
            .var("x")?
            .take_along_dim(a.tensor("indices")?, dim)?))
    })
    .input("x", Kind::Any)
    .input("indices", Kind::Index)
    .attr("dim", AttrType::Int, Attr::None)
    .reference(|a| {
        let (x, indices) = (a.dense("x")?, a.dense("indices")?);
        let at = |i: f64, n: usize| {
            if i < 0.0 {
                n - (-i) as usize
            } else {
                i as usize
            }
        };
        if a.is_none("dim")? {
            let picked = indices.data.iter().map(|&i| x.data[at(i, x.numel())]);
            let data: Vec<f64> = picked.collect();
            return Ok(vec![Dense {
                dims: vec![data.len()],
                data,
            }]);
        }
        let axis = axis_of(a, x.rank())?;
        let dims: Vec<usize> = (0..x.rank())
            .map(|i| match (i == axis, x.dims[i]) {
                (true, _) | (_, 1) => indices.dims[i],
                (_, own) => own,
            })
            .collect();
        Ok(vec![Dense::from_fn(&dims, |index| {
            let mut from = index.to_vec();
            from[axis] = at(indices.wide(index), x.dims[axis]);
            let other = from[axis];
            // The picked dim has its own size, whatever the index says.
            let own: Vec<usize> = (0..x.rank())
                .map(|i| {
                    if i == axis {
                        other
                    } else if x.dims[i] == 1 {
                        0
                    } else {
                        from[i]
                    }
                })
                .collect();
            x.at(&own)
        })])
    })
    .draw(draw)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_05_a_broadcast_index_adds_up_its_gradients() {
        let x = leaf(&[1.0_f64, 2.0, 3.0], [1, 3]);
        let y = x
            .take_along_dim(&tensor(&[2_i64, 0, -1], [3, 1]), Some(1))
            .unwrap();
        assert_eq!(values(&y), [3.0, 1.0, 3.0]);
        let grads = y
            .backward_with(&constant(&[1.0_f64, 10.0, 100.0], [3, 1]))
            .unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [10.0, 0.0, 101.0]);
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.take_along_dim(&tensor(&[0_i64], 1), Some(1));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.take_along_dim(&tensor(&[0_i64; 3], [3, 1]), Some(1));
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.take_along_dim(&tensor(&[3_i64], [1, 1]), Some(1));
        assert!(matches!(got, Err(Error::IndexOutOfRange { .. })), "{got:?}");
    }
}
