//! Elements and slices picked by several index tensors.

use gradus_tensor::Tensor;

use crate::ops::support::place_ops::pick;
use crate::ops::support::places::Places;
use crate::registry::{Args, Dense, Draw, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Elements picked by several indices: `out[i, …] = self[indices[0][i], indices[1][i], …]`.
    ///
    /// # Shapes
    /// The i64 tensors of `indices` stand for the leading dims and are broadcast to one shape, which takes their place; negative
    /// indices count from the end. A bool tensor stands for as many dims as it has, and for the indices of its true elements.
    ///
    /// # Numerics
    /// Exact. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` added to the places picked from, in row-major order.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if there are more indices than dims; [`crate::Error::ShapeMismatch`] if they do not broadcast, or a mask
    /// or the values do not fit; [`crate::Error::DType`] if an index is neither i64 nor bool; [`crate::Error::IndexOutOfRange`] with
    /// the first index that is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// let index = |i: &[i64]| Tensor::from_slice(i, i.len());
    /// assert_eq!(x.index(&[index(&[0, -1])?, index(&[1, 0])?])?.tensor().to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `x[i, j]` in PyTorch.
    pub fn index(&self, indices: &[Tensor]) -> Result<Self> {
        pick(
            "index",
            Places::indexed("index", indices, self.shape())?,
            self,
        )
    }
}

/// The list `indices` of a call.
pub(super) fn indices_of(a: &Args) -> Result<Vec<Tensor>> {
    Ok(a.vars("indices")?
        .iter()
        .map(|x| x.tensor().clone())
        .collect())
}

/// The dims of what a case picks, and where each of its elements stands.
pub(super) fn naive_places(a: &Args, whole: &[usize]) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut each: Vec<Dense> = Vec::new();
    for index in indices_of(a)? {
        let dense = Dense::of(&index)?;
        if index.dtype() != crate::DType::Bool {
            each.push(dense);
            continue;
        }
        let mut columns = vec![Vec::new(); dense.rank()];
        crate::registry::for_each_index(&dense.dims, |at| {
            if dense.at(at) != 0.0 {
                columns
                    .iter_mut()
                    .zip(at)
                    .for_each(|(column, &i)| column.push(i as f64));
            }
        });
        each.extend(columns.into_iter().map(|data| Dense {
            dims: vec![data.len()],
            data,
        }));
    }
    let wide = each.iter().fold(Dense::scalar(0.0), |wide, index| {
        wide.zip(index, |_, _| 0.0)
    });
    let shape = Dense {
        dims: whole.to_vec(),
        data: Vec::new(),
    };
    let (front, back) = (wide.rank(), &whole[each.len()..]);
    let dims = [&wide.dims[..], back].concat();
    let mut places = Vec::new();
    crate::registry::for_each_index(&dims, |at| {
        let mut from: Vec<usize> = Vec::new();
        for (index, &size) in each.iter().zip(whole) {
            let i = index.wide(&at[..front]);
            from.push(if i < 0.0 {
                size - (-i) as usize
            } else {
                i as usize
            });
        }
        from.extend_from_slice(&at[front..]);
        places.push(shape.position(&from));
    });
    Ok((dims, places))
}

/// A case: `x` and `indices`, of which some are masks, some negative, some narrower than others.
pub(super) fn draw_indices(d: &mut Draw) -> Result<Args> {
    let dims = d.some_shape();
    let count = d.range(1..=dims.len());
    let picked = d.shape(0..=2, 1..=3);
    let empty = dims[..count].contains(&0);
    let mut indices = Vec::new();
    for &size in &dims[..count] {
        let narrow = d.narrower(&picked);
        let own = if empty { vec![0] } else { narrow };
        indices.push(super::take::draw_numbers(d, &own, size)?);
    }
    if d.below(4) == 3 {
        // Masks are not broadcast.
        indices = vec![d.mask(&dims[..count])?];
    }
    Ok(Args::new()
        .with("x", d.reals(&dims)?)
        .with("indices", indices))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("index", |a| Ok(one(a.var("x")?.index(&indices_of(a)?)?)))
        .input("x", Kind::Any)
        .list("indices", Kind::Any)
        .reference(|a| {
            let x = a.dense("x")?;
            let (dims, places) = naive_places(a, &x.dims)?;
            let data = places.into_iter().map(|place| x.data[place]).collect();
            Ok(vec![Dense { dims, data }])
        })
        .small_only()
        .draw(draw_indices)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_03_a_slice_picked_twice_gets_both_gradients() {
        let x = leaf(&[0.1_f64, 0.2], [2, 1]);
        let y = x.index(&[tensor(&[0_i64, 0], 2)]).unwrap();
        let grads = y
            .backward_with(&constant(&[0.25_f64, 0.5], [2, 1]))
            .unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [0.75, 0.0]);
    }

    #[test]
    fn museum_05_indices_broadcast_to_each_other() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let (rows, cols) = (tensor(&[1_i64, 0], [2, 1]), tensor(&[2_i64, 0], 2));
        let y = x.index(&[rows, cols]).unwrap();
        assert_eq!(
            (y.dims(), values(&y)),
            (&[2, 2][..], vec![1.7, 0.3, -0.6, -2.3])
        );
    }

    #[test]
    fn rejects_what_does_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let index = || tensor(&[0_i64, 5], 2);
        let got = x.index(&[index()]).unwrap_err();
        let want = Error::IndexOutOfRange {
            op: "index",
            position: 1,
            index: 5,
            len: 2,
        };
        assert_eq!(got, want);
        let zero = || tensor(&[0_i64], 1);
        let got = x.index(&[zero(), zero(), zero()]);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        let got = x.index(&[tensor(&[true; 3], 3)]);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = x.index(&[tensor(&[0.0_f64], 1)]);
        assert!(matches!(got, Err(Error::DType { .. })), "{got:?}");
    }
}
